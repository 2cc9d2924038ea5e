"""What Redis keeps of a task, and how it becomes what the public sees.

A task is one string, its record, beside those of its payload, value, failure, history and logs, which the scripts only
move. The record is numbers, strings, the id, and the head. `lua/parts/records.lua` knows the places in it too.
"""

from functools import lru_cache
from math import inf
from struct import Struct
from typing import NamedTuple

import msgspec

from mpcsfaas.model import (
    Attempt,
    AttemptRecord,
    Failure,
    Quota,
    State,
    Task,
    TaskLogs,
    TaskOptions,
    TaskRecord,
    TaskResult,
)

LETTERS = {
    State.QUEUED: "Q",
    State.RUNNING: "R",
    State.COMPLETED: "C",
    State.FAILED: "F",
    State.CANCELLED: "X",
}
"""The states, as the scripts call them."""

STATES = {letter.encode(): state for state, letter in LETTERS.items()}

OWNED = 2
"""The flag of a task that has a quota."""

LOWEST_RANK = 1 << 38
"""How far from 0 priorities are told apart."""

_NUMBERS = Struct(">QdcIIIddBBIIQQdddI")
"""`Numbers` in their order."""

_UNPLACED = Struct(">cIIIddBBIIQQdddI")
"""The same of a task that has no position yet."""

_SIZE = Struct(">I")
"""Before each string."""


class Numbers(NamedTuple):
    """The beginning of a record. Sizes are in bytes. The holder follows, and then the strings."""

    position: int
    ready_at: float
    state: bytes
    attempt: int
    failures: int
    losses: int
    claimed_at: float
    finished_at: float
    expired: int
    flags: int
    payload_size: int
    head_size: int
    sequence: int
    rank: int
    created_at: float
    deadline_at: float
    """Infinite for none."""
    ttl: float
    holder_size: int


class Kind(NamedTuple):
    """What the scripts must know to accept tasks, which most tasks of a batch have in common."""

    function_id: str
    queue: bytes
    """The name of the queue that tasks with these labels and this quota wait in."""
    group: bytes
    key: bytes
    delay: str
    rank: int
    """Lower for a higher priority."""
    has_deadline: int
    after: str
    """The ids of the parents, with spaces between them."""


class Head(msgspec.Struct, array_like=True, omit_defaults=True):
    """What nobody but us reads."""

    serializer: str
    options: TaskOptions
    retry_of: str | None = None
    quota: Quota | None = None


_encode = msgspec.msgpack.Encoder().encode
_decode_head = lru_cache(1024)(msgspec.msgpack.Decoder(Head).decode)  # Most tasks of a batch have the same.
_decode_failure = msgspec.msgpack.Decoder(Failure).decode
_decode_logs = msgspec.msgpack.Decoder(tuple[str, str]).decode
_decode_history = msgspec.json.Decoder(tuple[AttemptRecord, ...]).decode


def kind(function_id: str, options: TaskOptions, quota: Quota | None = None) -> Kind:
    """The kind of the tasks of this function with these options and this quota."""
    return Kind(
        function_id,
        _queue(options.labels, quota),
        _mark(options.group),
        _mark(options.idempotency_key),
        repr(float(options.delay)),
        LOWEST_RANK - max(-LOWEST_RANK, min(options.priority, LOWEST_RANK)),
        int(options.deadline is not None),
        " ".join(options.after),
    )


def _queue(labels: tuple[str, ...], quota: Quota | None) -> bytes:
    """The JSON of the labels, sorted; with a quota, of the labels, the owner and, if there is one, `max_running`."""
    if quota is None:
        return msgspec.json.encode(sorted(set(labels))) if labels else b"[]"
    limit = [] if quota.max_running is None else [quota.max_running]
    return msgspec.json.encode([sorted(set(labels)), quota.owner, *limit])


def pack_task(task: Task, kind: Kind) -> bytes:
    """The record of a task that is yet to be accepted, without position and time to be ready."""
    options = task.options
    head = _encode(Head(task.serializer, options, task.retry_of, task.quota))
    deadline_at = inf if options.deadline is None else task.created_at + options.deadline
    sizes = len(task.payload), len(head)
    times = task.created_at, deadline_at, options.ttl
    flags = OWNED if task.quota else 0
    numbers = _UNPLACED.pack(b"Q", 0, 0, 0, 0.0, 0.0, 0, flags, *sizes, 0, kind.rank, *times, 0)
    return b"".join((numbers, _strings(kind), task.id.encode(), head))


def _strings(kind: Kind) -> bytes:
    strings = kind.group, kind.function_id.encode(), kind.queue, kind.key
    return b"".join(_SIZE.pack(len(string)) + string for string in strings)


def _mark(text: str | None) -> bytes:
    """A text that may be missing: empty then, and otherwise after an equals sign."""
    return b"" if text is None else b"=" + text.encode()


def unmark(text: bytes) -> str | None:
    """What `Kind` says of a text that may be missing."""
    return text[1:].decode() if text else None


def pack_failure(failure: Failure | None) -> bytes:
    """A task's failure; empty for None."""
    return b"" if failure is None else _encode(failure)


def pack_logs(stdout: str, stderr: str) -> bytes:
    """What was printed; empty if nothing was."""
    return _encode((stdout, stderr)) if stdout or stderr else b""


def pack_attempt(attempt: AttemptRecord) -> bytes:
    """One line of the history, which is JSON with commas between the lines."""
    return msgspec.json.encode(attempt)


def created_at(record: bytes) -> float:
    """When the task was made."""
    return _numbers(record).created_at


def attempt(task_id: bytes, record: bytes, payload: bytes) -> Attempt:
    """An attempt, as a claim gives it."""
    numbers = _numbers(record)
    head = _head(record, numbers)
    function_id = _function_id(record, numbers)
    task = Task(
        task_id.decode(),
        function_id,
        payload,
        head.serializer,
        numbers.created_at,
        head.options,
        head.retry_of,
        head.quota,
    )
    return Attempt(task, numbers.attempt, numbers.claimed_at, numbers.failures, numbers.losses)


def task(task_id: str, record: bytes, failure: bytes | None, history: bytes | None) -> TaskRecord:
    """What the public sees of a record."""
    numbers = _numbers(record)
    head = _head(record, numbers)
    return TaskRecord(
        id=task_id,
        function_id=_function_id(record, numbers),
        serializer=head.serializer,
        state=STATES[numbers.state],
        created_at=numbers.created_at,
        options=head.options,
        attempt=numbers.attempt,
        failures=numbers.failures,
        losses=numbers.losses,
        ready_at=numbers.ready_at,
        finished_at=numbers.finished_at or None,
        failure=_failure(failure),
        history=_decode_history(b"[%b]" % (history or b"")),
        expired=bool(numbers.expired),
        retry_of=head.retry_of,
    )


def result(task_id: str, record: bytes, failure: bytes | None, value: bytes | None) -> TaskResult:
    """A task's result."""
    numbers = _numbers(record)
    serializer = _head(record, numbers).serializer
    state = STATES[numbers.state]
    return TaskResult(task_id, state, serializer, value or b"", _failure(failure), bool(numbers.expired))


def ended_result(task_id: str, state: State, head: bytes, value: bytes, failure: bytes) -> TaskResult:
    """The result of a task that has just ended."""
    return TaskResult(task_id, state, _decode_head(head).serializer, value, _failure(failure))


def logs(task_id: str, packed: bytes | None) -> TaskLogs:
    """What was printed."""
    return TaskLogs(task_id, *_decode_logs(packed)) if packed else TaskLogs(task_id)


def _numbers(record: bytes) -> Numbers:
    return Numbers._make(_NUMBERS.unpack_from(record))


def _function_id(record: bytes, numbers: Numbers) -> str:
    """The second of the strings."""
    group = _NUMBERS.size + numbers.holder_size
    (group_size,) = _SIZE.unpack_from(record, group)
    start = group + _SIZE.size + group_size
    (size,) = _SIZE.unpack_from(record, start)
    return record[start + _SIZE.size : start + _SIZE.size + size].decode()


def _head(record: bytes, numbers: Numbers) -> Head:
    return _decode_head(record[-numbers.head_size :])


def _failure(packed: bytes | None) -> Failure | None:
    return _decode_failure(packed) if packed else None
