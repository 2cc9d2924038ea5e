"""What Redis keeps of a task, and how it becomes what the public sees.

A task is one hash: `head` never changes, `state` is rewritten by the scripts, `payload`, `value`, `failure`, `history`
and `logs` are bytes that the scripts only move. `lua/common.lua` knows the places in `head` and `state` too.
"""

import msgspec

from mpcsfaas.model import Attempt, AttemptRecord, Failure, State, Task, TaskLogs, TaskOptions, TaskRecord, TaskResult


class Head(msgspec.Struct, array_like=True):
    """What was asked for, and what the scripts need of that."""

    function_id: str
    serializer: str
    created_at: float
    queue: str
    """The task's labels, as the name of the queue that it waits in."""
    deadline_at: float | None
    ttl: float
    options: TaskOptions


class Progress(msgspec.Struct, array_like=True):
    """The field `state`. Nothing is None, as Lua could not tell an array from a map then."""

    state: State
    attempt: int
    position: int
    holder: str
    failures: int
    losses: int
    claimed_at: float
    ready_at: float
    finished_at: float
    sequence: int
    expired: bool


RECORD_FIELDS = ("head", "state", "failure", "history")
RESULT_FIELDS = ("head", "state", "failure", "value")
LOG_FIELDS = ("state", "logs")

_encode = msgspec.msgpack.Encoder().encode
_decode_head = msgspec.msgpack.Decoder(Head).decode
_decode_progress = msgspec.msgpack.Decoder(Progress).decode
_decode_failure = msgspec.msgpack.Decoder(Failure).decode
_decode_logs = msgspec.msgpack.Decoder(tuple[str, str]).decode
_decode_history = msgspec.json.Decoder(tuple[AttemptRecord, ...]).decode


def queue_name(labels: tuple[str, ...]) -> str:
    """The queue of the tasks with these labels: their JSON, sorted."""
    return msgspec.json.encode(sorted(set(labels))).decode() if labels else "[]"


def pack_head(task: Task) -> bytes:
    """The field `head` of a new task."""
    options = task.options
    deadline_at = None if options.deadline is None else task.created_at + options.deadline
    queue = queue_name(options.labels)
    return _encode(Head(task.function_id, task.serializer, task.created_at, queue, deadline_at, options.ttl, options))


def pack_failure(failure: Failure | None) -> bytes:
    """The field `failure`; empty for None."""
    return b"" if failure is None else _encode(failure)


def pack_logs(stdout: str, stderr: str) -> bytes:
    """The field `logs`; empty if nothing was printed."""
    return _encode((stdout, stderr)) if stdout or stderr else b""


def pack_record(record: AttemptRecord) -> bytes:
    """One line of the field `history`, which is JSON with commas between the lines."""
    return msgspec.json.encode(record)


def created_at(head: bytes) -> float:
    """When the task was made."""
    return _decode_head(head).created_at


def attempt(task_id: bytes, head: bytes, payload: bytes, state: bytes) -> Attempt:
    """An attempt, as a claim gives it."""
    asked, progress = _decode_head(head), _decode_progress(state)
    task = Task(task_id.decode(), asked.function_id, payload, asked.serializer, asked.created_at, asked.options)
    return Attempt(task, progress.attempt, progress.claimed_at, progress.failures, progress.losses)


def record(task_id: str, head: bytes, state: bytes, failure: bytes | None, history: bytes | None) -> TaskRecord:
    """A task's record, from `RECORD_FIELDS`."""
    asked, progress = _decode_head(head), _decode_progress(state)
    return TaskRecord(
        id=task_id,
        function_id=asked.function_id,
        serializer=asked.serializer,
        state=progress.state,
        created_at=asked.created_at,
        options=asked.options,
        attempt=progress.attempt,
        failures=progress.failures,
        losses=progress.losses,
        ready_at=progress.ready_at,
        finished_at=progress.finished_at or None,
        failure=_failure(failure),
        history=_decode_history(b"[%b]" % (history or b"")),
        expired=progress.expired,
    )


def result(task_id: str, head: bytes, state: bytes, failure: bytes | None, value: bytes | None) -> TaskResult:
    """A task's result, from `RESULT_FIELDS`."""
    progress = _decode_progress(state)
    serializer = _decode_head(head).serializer
    return TaskResult(task_id, progress.state, serializer, value or b"", _failure(failure), progress.expired)


def logs(task_id: str, packed: bytes | None) -> TaskLogs:
    """What was printed."""
    return TaskLogs(task_id, *_decode_logs(packed)) if packed else TaskLogs(task_id)


def _failure(packed: bytes | None) -> Failure | None:
    return _decode_failure(packed) if packed else None
