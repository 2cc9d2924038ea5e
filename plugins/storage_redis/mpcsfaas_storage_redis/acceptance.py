"""Acceptance of tasks."""

from collections.abc import Sequence

from mpcsfaas.errors import QueueFull
from mpcsfaas.interfaces.storage import Enqueued, EnqueueStatus
from mpcsfaas.model import Task, TaskOptions
from mpcsfaas_storage_redis.client import Client, Word
from mpcsfaas_storage_redis.records import Kind, kind, pack_task
from mpcsfaas_storage_redis.slices import slices

NO_LIMIT = 1 << 52


async def enqueue(client: Client, tasks: Sequence[Task], max_unfinished: int) -> list[Enqueued]:
    """See `Storage.enqueue`. A slice is accepted as a whole; the first makes sure that there is room for all others."""
    answers: list[Enqueued] = []
    has_room = False
    for part in slices(tasks, _size):
        following = len(tasks) - len(answers) - len(part)
        bound = (NO_LIMIT, 0) if has_room else (max_unfinished, following)
        answers += await _enqueue(client, part, *bound)
        has_room = has_room or any(answer.status is EnqueueStatus.ACCEPTED for answer in answers)
    return answers


def _size(task: Task) -> int:
    return len(task.payload)


async def _enqueue(client: Client, tasks: Sequence[Task], limit: int, following: int) -> list[Enqueued]:
    kinds: dict[tuple[str, TaskOptions], tuple[int, Kind]] = {}
    words: list[Word] = []
    for task in tasks:
        of_task = task.function_id, task.options
        if of_task not in kinds:
            kinds[of_task] = len(kinds) + 1, kind(*of_task)
        number, its_kind = kinds[of_task]
        words += (task.id, number, pack_task(task, its_kind), task.payload)
    told = [word for _, its_kind in kinds.values() for word in its_kind]
    reply = await client.change("enqueue", limit, following, len(kinds), *told, *words)
    if isinstance(reply, int):
        raise QueueFull(f"{reply} tasks are unfinished and {limit} is the limit; try again later")
    return [_answer(task, answer) for task, answer in zip(tasks, reply, strict=True)]


def _answer(task: Task, answer: bytes) -> Enqueued:
    if not answer:
        return Enqueued(EnqueueStatus.ACCEPTED, task.id)
    if answer == b"?":
        return Enqueued(EnqueueStatus.UNKNOWN_FUNCTION, task.id)
    return Enqueued(EnqueueStatus.DUPLICATE, answer.decode())
