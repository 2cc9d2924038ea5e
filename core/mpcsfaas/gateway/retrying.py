"""Doing failed tasks again.

A terminal state never changes, so that is a new task, with the same function, arguments and options, whose id follows
from the failed one's. There is thus only one for each: to ask twice is harmless, and if that one fails, it is the one
to be done again.
"""

from collections.abc import Sequence

from msgspec.structs import replace

from mpcsfaas.gateway import problems
from mpcsfaas.gateway.context import Gateway
from mpcsfaas.gateway.schemas import AcceptedTask
from mpcsfaas.gateway.submission import accept_all
from mpcsfaas.model import State, Task, TaskRecord, retry_id

AT_ONCE = 100
"""Tasks whose arguments are in memory at the same time."""


async def retry(
    gateway: Gateway, task_ids: Sequence[str], traceparent: str | None = None
) -> list[AcceptedTask | problems.Problem]:
    """Do tasks again; what became of each, in order. Raises `StorageError`; to repeat the call is then harmless.

    They are part of this trace or, without one, of that which the failed ones were part of.
    """
    answers: list[AcceptedTask | problems.Problem] = []
    for start in range(0, len(task_ids), AT_ONCE):
        answers += await _retry(gateway, task_ids[start : start + AT_ONCE], traceparent)
    return answers


async def _retry(
    gateway: Gateway, task_ids: Sequence[str], traceparent: str | None
) -> list[AcceptedTask | problems.Problem]:
    records = await gateway.storage.get_tasks(task_ids)
    payloads = await gateway.storage.get_payloads(task_ids)
    now = gateway.storage.clock()
    plans = [_plan(*each, now, traceparent) for each in zip(task_ids, records, payloads, strict=True)]
    answers = iter(await accept_all(gateway, [plan for plan in plans if isinstance(plan, Task)]))
    return [next(answers) if isinstance(plan, Task) else plan for plan in plans]


def _plan(
    task_id: str, record: TaskRecord | None, payload: bytes | None, now: float, traceparent: str | None
) -> Task | problems.Problem:
    """The task that does another again, or why there is none."""
    if record is None:
        return problems.unknown_task(task_id)
    if record.state is not State.FAILED:
        return problems.not_failed(task_id, record.state)
    if payload is None:
        return problems.arguments_gone(task_id)
    traceparent = traceparent or record.options.traceparent
    options = replace(  # The key is the failed task's.
        record.options, delay=0.0, idempotency_key=None, traceparent=traceparent
    )
    return Task(retry_id(task_id), record.function_id, payload, record.serializer, now, options, retry_of=task_id)
