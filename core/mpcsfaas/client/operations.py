"""Every conversation with the gateway, without I/O: each yields requests, is sent the responses, and returns a result.

`Client` and `AsyncClient` perform them; a gateway that could not be reached is thrown in as `GatewayUnavailable`. All
requests may be repeated: tasks carry ids of the client's making, functions are their own content.
"""

from collections.abc import Callable, Generator, Iterable, Sequence
from typing import Any, TypeVar
from urllib.parse import quote

from mpcsfaas.client.backoff import Backoff
from mpcsfaas.client.errors import GatewayError, GatewayUnavailable, NotFound, ResultExpired
from mpcsfaas.client.exchange import BUSY, Request, Response, decode, error_for, error_of, get, post
from mpcsfaas.client.outcome import Outcome, outcome_of
from mpcsfaas.client.payloads import PYTHON_VERSION, PackedFunction
from mpcsfaas.client.records import (
    BatchAnswer,
    Dispatcher,
    FoundResult,
    FoundResults,
    FunctionInfo,
    ItemAnswer,
    Logs,
    Page,
    Platform,
    ResultItem,
    Statistics,
    TaskState,
)
from mpcsfaas.client.session import NewTask, Session
from mpcsfaas.model import State, TaskRecord

T = TypeVar("T")
Operation = Generator[Request, Response, T]

LONGEST_WAIT = 30.0
"""Seconds that one request lets the gateway hold back its answer."""
MAX_BATCH_ITEMS = 1000
MAX_BATCH_BYTES = 4 * 1024 * 1024
ENTRY_OVERHEAD = 256
"""Bytes that a task's item is counted with besides its payload."""
PAGE_SIZE = 1000
Refusal = GatewayError
Verdict = ItemAnswer | Refusal
"""What became of one task of a batch."""


def patiently(session: Session, request: Request) -> Operation[Response]:
    """Repeat a request until the gateway takes it. Raises `GatewayUnavailable` after the session's `timeout`."""
    backoff = Backoff(session.timeout)
    while True:
        wished = None
        try:
            response = yield request
        except GatewayUnavailable as error:
            trouble = error
        else:
            if response.status not in BUSY:
                return response
            trouble, wished = GatewayUnavailable(str(error_of(response)), response.status), response.retry_after
        delay = backoff.next_delay(session.clock(), wished)
        if delay is None:
            raise trouble
        request = request._replace(delay=delay)


def fetch(session: Session, request: Request, type_: type[T]) -> Operation[T]:
    """Send a request and decode the answer. Raises `GatewayError`."""
    response = yield from patiently(session, request)
    return decode(response, type_)


# Functions


def register(session: Session, function: Callable[..., Any], name: str | None = None) -> Operation[str]:
    """Serialise a function as it is now and register it, unless the gateway has that very content; its id."""
    packed = session.registry.pack(getattr(function, "function", function), name)
    yield from ensure_registered(session, [packed])
    return packed.id


def ensure_registered(session: Session, functions: Iterable[PackedFunction]) -> Operation[None]:
    """Register those that the gateway does not have yet, as far as we know."""
    for function in functions:
        if function.payload and function.id not in session.registry.registered:
            yield from fetch(session, post("/v1/functions", _registration(function)), FunctionInfo)
            session.registry.registered.add(function.id)


def _registration(function: PackedFunction) -> dict[str, Any]:
    return {
        "name": function.name,
        "payload": function.payload,
        "serializer": function.serializer,
        "python_version": PYTHON_VERSION,
        "serializer_version": function.serializer_version,
    }


def functions_page(session: Session, cursor: str | None) -> Operation[Page[FunctionInfo]]:
    """A page of the registered functions."""
    return fetch(session, get("/v1/functions", cursor=cursor, limit=PAGE_SIZE), Page[FunctionInfo])


# Submitting


def submit(session: Session, task: NewTask) -> Operation[str]:
    """Submit a task; its id, which is an earlier task's for a repeated idempotency key."""
    response = yield from _post_task(session, task, 0.0)
    return decode(response, ItemAnswer).id


def run(session: Session, task: NewTask) -> Operation[Any]:
    """Submit a task and wait for its end; its value. Raises what the function raised, or `TaskFailed`."""
    response = yield from _post_task(session, task, LONGEST_WAIT)
    if response.status == 200:
        return outcome_of(decode(response, ResultItem), session.registry.payloads).unwrap()
    return (yield from result(session, decode(response, ItemAnswer).id, None))


def _post_task(session: Session, task: NewTask, wait: float) -> Operation[Response]:
    request = post("/v1/tasks", task.item, wait)
    yield from ensure_registered(session, [task.function])
    response = yield from patiently(session, request)
    if response.status == 404 and task.function.payload:
        session.registry.registered.discard(task.function.id)
        yield from ensure_registered(session, [task.function])
        response = yield from patiently(session, request)
    return response


def submit_many(session: Session, tasks: Sequence[NewTask]) -> Operation[list[Verdict]]:
    """Submit tasks in as few requests as the limits allow; one verdict per task, in order.

    Raises `GatewayUnavailable`; then it is unknown which of the tasks were accepted.
    """
    verdicts: list[Verdict] = []
    for batch in batches(tasks):
        verdicts += yield from submit_batch(session, batch)
    return verdicts


def batches(tasks: Sequence[NewTask]) -> Generator[Sequence[NewTask]]:
    """Cut into batches within `MAX_BATCH_ITEMS` and `MAX_BATCH_BYTES`; a task over the latter goes alone."""
    start = size = 0
    for end, task in enumerate(tasks):
        if end > start and (end - start == MAX_BATCH_ITEMS or size + size_of(task) > MAX_BATCH_BYTES):
            yield tasks[start:end]
            start, size = end, 0
        size += size_of(task)
    if start < len(tasks):
        yield tasks[start:]


def size_of(task: NewTask) -> int:
    """About how many bytes of a request a task takes."""
    return len(task.item["payload"]) + ENTRY_OVERHEAD


def submit_batch(session: Session, batch: Sequence[NewTask]) -> Operation[list[Verdict]]:
    """Submit one batch. Functions that the gateway forgot are registered again, once."""
    verdicts = yield from _try_batch(session, batch)
    forgotten = [
        index
        for index, verdict in enumerate(verdicts)
        if isinstance(verdict, NotFound) and batch[index].function.payload
    ]
    if forgotten:
        again = [batch[index] for index in forgotten]
        session.registry.registered.difference_update(task.function.id for task in again)
        second = yield from _try_batch(session, again)
        for index, verdict in zip(forgotten, second, strict=True):
            verdicts[index] = verdict
    return verdicts


def _try_batch(session: Session, batch: Sequence[NewTask]) -> Operation[list[Verdict]]:
    """Post a batch, in halves if it is too large for the gateway, and repeat what it was too busy for."""
    try:
        yield from ensure_registered(session, {task.function.id: task.function for task in batch}.values())
    except GatewayUnavailable:
        raise
    except GatewayError as error:
        return [error] * len(batch)
    response = yield from patiently(session, post("/v1/tasks:batch", {"tasks": [task.item for task in batch]}))
    if response.status == 413 and len(batch) > 1:
        middle = len(batch) // 2
        first = yield from _try_batch(session, batch[:middle])
        return first + (yield from _try_batch(session, batch[middle:]))
    if response.status >= 300:
        return [error_of(response)] * len(batch)
    return [_verdict(answer) for answer in decode(response, BatchAnswer).results]


def _verdict(answer: ItemAnswer) -> Verdict:
    return answer if answer.error is None else error_for(answer.error)


def accepted_id(verdict: Verdict) -> str:
    """The id that a task was accepted under. Raises the reason why it was refused."""
    if isinstance(verdict, GatewayError):
        raise verdict
    return verdict.id


# Tasks


def task(session: Session, task_id: str) -> Operation[TaskRecord]:
    """A task's record."""
    return fetch(session, get(_path(task_id)), TaskRecord)


def status(session: Session, task_id: str) -> Operation[State]:
    """A task's state."""
    return (yield from task(session, task_id)).state


def result(session: Session, task_id: str, timeout: float | None) -> Operation[Any]:
    """Wait for a task's end; its value. Raises what the function raised, `TaskFailed`, or `TimeoutError`."""
    return (yield from outcome(session, task_id, timeout)).unwrap()


def outcome(session: Session, task_id: str, timeout: float | None) -> Operation[Outcome]:
    """Wait for a task's end. Raises `TimeoutError` after `timeout` seconds, or `GatewayError`."""
    end = None if timeout is None else session.clock() + timeout
    while True:
        left = LONGEST_WAIT if end is None else max(0.0, min(LONGEST_WAIT, end - session.clock()))
        request = Request("GET", _path(task_id, "/result"), params={"wait": str(left)}, wait=left)
        response = yield from patiently(session, request)
        if response.status != 202:
            return outcome_of(decode(response, ResultItem), session.registry.payloads)
        if end is not None and session.clock() >= end:
            raise TimeoutError(
                f"Task {task_id} has not ended within {timeout:g} s; it goes on. Ask again, or cancel it."
            )


def ended(session: Session, task_ids: Sequence[str], wait: float) -> Operation[dict[str, Outcome]]:
    """Outcomes of those of up to 1,000 tasks that have ended; if none has, after waiting up to `wait` seconds for one.

    Of a task that is unknown, or whose result has expired, that is the outcome.
    """
    answer = yield from fetch(session, post("/v1/tasks:results", {"ids": list(task_ids)}, wait), FoundResults)
    return {item.id: _found(item, session) for item in answer.results}


def _found(item: FoundResult, session: Session) -> Outcome:
    if item.error is not None:
        return Outcome(error=error_for(item.error))
    return outcome_of(item, session.registry.payloads)


def cancel(session: Session, task_id: str) -> Operation[State]:
    """Cancel a task; its state afterwards."""
    answer = yield from fetch(session, Request("DELETE", _path(task_id)), TaskState)
    return answer.state or State.CANCELLED


def cancel_many(session: Session, task_ids: Sequence[str]) -> Operation[None]:
    """Cancel tasks; unknown ones are ignored."""
    for start in range(0, len(task_ids), MAX_BATCH_ITEMS):
        ids = list(task_ids[start : start + MAX_BATCH_ITEMS])
        yield from fetch(session, post("/v1/tasks:cancel", {"ids": ids}), dict)


def retry(session: Session, task_ids: Sequence[str]) -> Operation[list[Verdict]]:
    """Do failed tasks again; one verdict for each, in order."""
    verdicts: list[Verdict] = []
    for start in range(0, len(task_ids), MAX_BATCH_ITEMS):
        ids = list(task_ids[start : start + MAX_BATCH_ITEMS])
        answer = yield from fetch(session, post("/v1/tasks:retry", {"ids": ids}), BatchAnswer)
        verdicts += map(_verdict, answer.results)
    return verdicts


def logs(session: Session, task_id: str) -> Operation[Logs]:
    """What the task's latest finished attempt printed."""
    return fetch(session, get(_path(task_id, "/logs")), Logs)


def _path(task_id: str, rest: str = "") -> str:
    return f"/v1/tasks/{quote(task_id, safe='')}{rest}"


def tasks_page(
    session: Session, state: State | str | None, function: str | None, group: str | None, cursor: str | None
) -> Operation[Page[TaskRecord]]:
    """A page of tasks, newest first."""
    request = get("/v1/tasks", state=state, function=function, group=group, cursor=cursor, limit=PAGE_SIZE)
    return fetch(session, request, Page[TaskRecord])


def group_records(session: Session, group: str) -> Operation[list[TaskRecord]]:
    """Every task of a group, newest first."""
    records: list[TaskRecord] = []
    cursor: str | None = None
    while True:
        page = yield from tasks_page(session, None, None, group, cursor)
        records += page.items
        cursor = page.cursor
        if cursor is None:
            return records


def lost_tasks(session: Session, group: str, task_ids: Iterable[str]) -> Operation[dict[str, GatewayError]]:
    """Which of a group's tasks will never come through its stream, and why. To be asked after it was interrupted."""
    records = {record.id: record for record in (yield from group_records(session, group))}
    lost: dict[str, GatewayError] = {}
    for task_id in task_ids:
        record = records.get(task_id)
        if record is None:
            lost[task_id] = NotFound(
                f"The gateway does not know task {task_id} any more: its storage is another. Submit it again."
            )
        elif record.expired:
            lost[task_id] = expired(task_id)
    return lost


def expired(task_id: str) -> ResultExpired:
    """The error for a result that is gone."""
    return ResultExpired(f"The result of task {task_id} has expired. Keep results longer with the option `ttl`.")


# The platform


def workers(session: Session) -> Operation[list[Dispatcher]]:
    """Every live dispatcher with its workers."""
    return (yield from fetch(session, get("/v1/workers"), Platform)).dispatchers


def stats(session: Session) -> Operation[Statistics]:
    """Counts of functions and tasks."""
    return fetch(session, get("/v1/stats"), Statistics)
