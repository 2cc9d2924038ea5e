"""Acceptance of tasks."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from mpcsfaas.errors import QueueFull, QuotaExceeded, StorageUnavailable
from mpcsfaas.interfaces.storage import Enqueued, EnqueueStatus
from mpcsfaas.model import Quota, Task, TaskOptions
from mpcsfaas_storage_redis.client import Client, Word
from mpcsfaas_storage_redis.records import Kind, kind, pack_task
from mpcsfaas_storage_redis.slices import slices

NO_LIMIT = 1 << 52

_Alike = tuple[str, TaskOptions, Quota | None]


class _Bound(NamedTuple):
    """A `max_queued`, and how many tasks of its owner are in the slices that follow."""

    owner: str
    max_queued: int
    following: int


async def enqueue(client: Client, tasks: Sequence[Task], max_unfinished: int) -> list[Enqueued]:
    """See `Storage.enqueue`. A slice is accepted as a whole; the first makes sure that there is room for all others.

    Others may take that room meanwhile. Then `max_unfinished` is exceeded, but a quota never is: the rest of the batch
    is left, which is told as `StorageUnavailable`, so that the caller repeats it.
    """
    answers: list[Enqueued] = []
    has_room = False
    quotas = {task.quota for task in tasks if task.quota}
    for part in slices(tasks, _size):
        rest = tasks[len(answers) + len(part) :]
        room = (NO_LIMIT, 0) if has_room else (max_unfinished, len(rest))
        try:
            answers += await _enqueue(client, part, *room, _bounds(quotas, rest) if quotas else ())
        except QuotaExceeded as error:
            if has_room:
                raise StorageUnavailable(f"a part of the batch was accepted, but {error}") from error
            raise
        has_room = has_room or any(answer.status is EnqueueStatus.ACCEPTED for answer in answers)
    return answers


def _size(task: Task) -> int:
    return len(task.payload)


def _bounds(quotas: set[Quota], rest: Sequence[Task]) -> list[_Bound]:
    following = Counter(task.quota.owner for task in rest if task.quota)
    return [
        _Bound(quota.owner, quota.max_queued, following[quota.owner])
        for quota in quotas
        if quota.max_queued is not None
    ]


async def _enqueue(
    client: Client, tasks: Sequence[Task], limit: int, following: int, bounds: Sequence[_Bound]
) -> list[Enqueued]:
    kinds: dict[_Alike, tuple[int, Kind]] = {}
    words: list[Word] = []
    for task in tasks:
        alike = task.function_id, task.options, task.quota
        if alike not in kinds:
            kinds[alike] = len(kinds) + 1, kind(*alike)
        number, its_kind = kinds[alike]
        words += (task.id, number, pack_task(task, its_kind), task.payload)
    told = [word for _, its_kind in kinds.values() for word in its_kind]
    bounding = [word for bound in bounds for word in bound]
    reply = await client.change("enqueue", limit, following, len(kinds), *told, len(bounds), *bounding, *words)
    if isinstance(reply, int):
        raise QueueFull(f"{reply} tasks are unfinished and {limit} is the limit; try again later")
    if isinstance(reply, bytes):
        full = bounds[int(reply) - 1]
        raise QuotaExceeded(full.owner, full.max_queued)
    return [_answer(task, answer) for task, answer in zip(tasks, reply, strict=True)]


def _answer(task: Task, answer: bytes) -> Enqueued:
    if not answer:
        return Enqueued(EnqueueStatus.ACCEPTED, task.id)
    if answer == b"?":
        return Enqueued(EnqueueStatus.UNKNOWN_FUNCTION, task.id)
    if answer == b"^":
        return Enqueued(EnqueueStatus.UNKNOWN_PARENT, task.id)
    return Enqueued(EnqueueStatus.DUPLICATE, answer.decode())
