"""What every part talks about: functions, tasks, attempts, failures, and the one table of legal transitions.

All times are wall-clock seconds since the epoch, as the storage's clock tells them; all durations are seconds.
Every structure is immutable and msgpack-encodable by msgspec, so storages and wires need no records of their own.
"""

import hashlib
import os
import time
from collections.abc import Mapping
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from msgspec import Struct

DEFAULT_RESULT_TTL = 24 * 3600.0
DEFAULT_MAX_REDELIVERIES = 3
DEFAULT_RETRY_DELAY = 1.0
DEFAULT_TENANT = "default"
TENANTS_VERSION = 5
"""The version of the UUIDs that `tenants_function_id` makes."""


class State(StrEnum):
    """Where a task stands."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"

    @property
    def is_terminal(self) -> bool:
        """True when nothing can change the task any more."""
        return not TRANSITIONS[self]


TRANSITIONS: Mapping[State, frozenset[State]] = {
    State.QUEUED: frozenset({State.RUNNING, State.CANCELLED}),
    State.RUNNING: frozenset({State.QUEUED, State.COMPLETED, State.FAILED, State.CANCELLED}),
    State.COMPLETED: frozenset(),
    State.FAILED: frozenset(),
    State.CANCELLED: frozenset(),
}
"""Every legal transition. RUNNING → QUEUED is a retry or a redelivery; the next claim numbers the next attempt."""


class FailureKind(StrEnum):
    """Why an attempt, and in the end its task, did not complete."""

    EXCEPTION = "exception"
    """The function raised."""
    TIMEOUT = "timeout"
    """The attempt outlived its timeout, or the task its deadline."""
    WORKER_LOST = "worker_lost"
    """The worker, or the dispatcher that held the lease, went away."""
    CRASHED = "crashed"
    """The child process died: a signal, an exit, or the kernel's out-of-memory killer."""
    INVALID_PAYLOAD = "invalid_payload"
    """The function or its arguments could not be deserialised."""
    INVALID_RESULT = "invalid_result"
    """The function returned something that cannot be serialised."""
    RESULT_TOO_LARGE = "result_too_large"
    """The serialised result is over the worker's limit."""
    INCOMPATIBLE = "incompatible"
    """The worker's Python or serializer cannot load what the client's wrote."""
    PARENT_FAILED = "parent_failed"
    """A task that it was to come `after` did not complete, or its result is gone; it never ran."""


RETRIED_KINDS = frozenset({FailureKind.EXCEPTION, FailureKind.TIMEOUT})
"""Failures that are the function's own: they use up `TaskOptions.max_retries`."""

REDELIVERED_KINDS = frozenset({FailureKind.WORKER_LOST, FailureKind.CRASHED})
"""Failures that are the platform's: they use up `TaskOptions.max_redeliveries`, so a poison task ends."""


class Failure(Struct, frozen=True, omit_defaults=True):
    """Why an attempt failed, as text that anyone can read without deserialising anything."""

    kind: FailureKind
    message: str
    type: str = ""
    """Qualified name of the exception's class, where there was one."""
    traceback: str = ""


class Function(Struct, frozen=True):
    """A registered callable. Immutable; `id` is of content and tenant, so the same content has the same id."""

    id: str
    name: str
    payload: bytes
    serializer: str
    created_at: float
    python_version: str = ""
    """`major.minor` of the client's interpreter; empty if the client did not say."""
    serializer_version: str = ""
    description: str = ""
    tenant: str = DEFAULT_TENANT
    """Whose it is, and whose its tasks are."""
    public_id: str = ""
    """The id that its tenant knows, which is of the content alone, where `id` is another."""


class TaskOptions(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """How a task is to be run. Durations in seconds."""

    max_retries: int = 0
    """How often a failure of the function's own (exception, timeout) is tried again."""
    retry_delay: float = DEFAULT_RETRY_DELAY
    """Base of the exponential backoff with full jitter between retries."""
    max_redeliveries: int = DEFAULT_MAX_REDELIVERIES
    """How often a lost worker or a crash is tried again."""
    timeout: float | None = None
    """Limit of one attempt, counted from its start in the child."""
    deadline: float | None = None
    """Limit of the whole task, counted from its acceptance."""
    priority: int = 0
    """Higher runs first; equal priorities run in the order of acceptance."""
    delay: float = 0.0
    """How long after acceptance the task may start at the earliest."""
    idempotency_key: str | None = None
    """A repeated key names the task that was accepted first; no second one is made."""
    ttl: float = DEFAULT_RESULT_TTL
    """How long the result is kept after the end."""
    group: str | None = None
    """Tasks of one group can be listed, streamed and cancelled together."""
    labels: tuple[str, ...] = ()
    """The task runs only on a worker that has all of these."""
    traceparent: str | None = None
    """W3C Trace Context (version 00) of the span in which the task was submitted."""
    after: tuple[str, ...] = ()
    """Ids of the task's parents: it does not start before all of them have ended, and fails if one did not complete."""


class Quota(Struct, frozen=True, omit_defaults=True):
    """How many tasks of one owner there may be at once. A task keeps the quota that it was submitted with."""

    owner: str
    """Whose tasks are counted together: the id of the API key that submitted them."""
    max_queued: int | None = None
    """The most that may be QUEUED after one is accepted; at least 1, None for no bound."""
    max_running: int | None = None
    """The most that may be RUNNING after one starts; at least 1, None for no bound."""


class Task(Struct, frozen=True):
    """One accepted request to execute a function. `payload` is the serialised pair `(args, kwargs)`."""

    id: str
    function_id: str
    payload: bytes
    serializer: str
    created_at: float
    options: TaskOptions = TaskOptions()
    retry_of: str | None = None
    """Id of the FAILED task that this one does again."""
    quota: Quota | None = None
    """None if nobody's tasks are counted together with it."""


class AttemptKey(NamedTuple):
    """The fencing token of everything said about one hand-over of a task to a worker."""

    task_id: str
    number: int


_make = tuple.__new__
"""As `AttemptKey(…)` does, but in half the time, of which a dispatcher would else spend a tenth of its own."""


class Attempt(Struct, frozen=True):
    """One hand-over of a task, as claimed by a dispatcher. `number` starts at 1."""

    task: Task
    number: int
    claimed_at: float
    failures: int = 0
    """Retries already used up."""
    losses: int = 0
    """Redeliveries already used up."""

    @property
    def key(self) -> AttemptKey:
        """The fencing token."""
        return _make(AttemptKey, (self.task.id, self.number))


class ParentResult(Struct, frozen=True, array_like=True):
    """What a task that has completed gave to one that comes after it."""

    task_id: str
    serializer: str
    value: bytes


class AttemptResult(Struct, frozen=True, omit_defaults=True):
    """What became of one attempt, as the worker tells it.

    `failure` None means that `value` is the serialised return value. Otherwise `value` is the serialised exception
    object, or empty where there is none (it was not an exception, or it could not be serialised).
    """

    task_id: str
    number: int
    value: bytes = b""
    failure: Failure | None = None
    stdout: str = ""
    stderr: str = ""
    worker: str = ""
    sent_at: float = 0.0
    started_at: float = 0.0
    finished_at: float = 0.0

    @property
    def key(self) -> AttemptKey:
        """The fencing token."""
        return _make(AttemptKey, (self.task_id, self.number))


class AttemptRecord(Struct, frozen=True, omit_defaults=True):
    """One line of a task's history."""

    number: int
    worker: str = ""
    claimed_at: float = 0.0
    sent_at: float = 0.0
    started_at: float = 0.0
    finished_at: float = 0.0
    failure: Failure | None = None


class Budget(StrEnum):
    """Which of a task's budgets a transition back to QUEUED uses up."""

    NONE = "none"
    RETRY = "retry"
    REDELIVERY = "redelivery"


class Transition(Struct, frozen=True):
    """What a dispatcher asks of storage for an attempt it holds: RUNNING → `to`.

    `to` is COMPLETED, FAILED, or QUEUED (then `ready_at` says when it may be claimed again and `budget` what it cost).
    """

    key: AttemptKey
    to: State
    record: AttemptRecord
    value: bytes = b""
    failure: Failure | None = None
    stdout: str = ""
    stderr: str = ""
    ready_at: float = 0.0
    budget: Budget = Budget.NONE


class TaskRecord(Struct, frozen=True):
    """A task's state without its payload and result."""

    id: str
    function_id: str
    serializer: str
    state: State
    created_at: float
    options: TaskOptions
    attempt: int = 0
    """Number of the latest attempt; 0 before the first."""
    failures: int = 0
    losses: int = 0
    ready_at: float = 0.0
    finished_at: float | None = None
    failure: Failure | None = None
    history: tuple[AttemptRecord, ...] = ()
    expired: bool = False
    """True once the result is gone because its `ttl` passed."""
    retry_of: str | None = None
    """As in `Task`."""


class TaskResult(Struct, frozen=True):
    """A task's state and, once it is terminal, its outcome. `value` is as in `AttemptResult`."""

    task_id: str
    state: State
    serializer: str
    value: bytes = b""
    failure: Failure | None = None
    expired: bool = False


class TaskLogs(Struct, frozen=True):
    """What the latest finished attempt printed."""

    task_id: str
    stdout: str = ""
    stderr: str = ""


class WorkerInfo(Struct, frozen=True):
    """A worker as its dispatcher sees it."""

    id: str
    host: str
    pid: int
    slots: int
    busy: int
    labels: tuple[str, ...] = ()
    python_version: str = ""
    last_seen: float = 0.0


class DispatcherInfo(Struct, frozen=True):
    """A dispatcher's own report of itself; it is alive until `expires_at`."""

    id: str
    host: str
    pid: int
    strategy: str
    started_at: float
    expires_at: float
    workers: tuple[WorkerInfo, ...] = ()
    fenced: int = 0
    """Late and repeated words about attempts that it rejected since its start."""
    malformed: int = 0
    """Frames from workers that were no messages, and that it dropped since its start."""
    refused: int = 0
    """Attempts to connect that it refused since its start, because of an unknown key."""


def new_task_id() -> str:
    """A UUID whose order is the order of making (version 7 of RFC 9562), so that indexes grow at their end."""
    value = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(os.urandom(10), "big")
    return _uuid(value, version=7)


def retry_id(task_id: str) -> str:
    """The id of the task that does a FAILED one again; there is only one such, so doing it twice is harmless."""
    digest = hashlib.sha256(b"retry of " + task_id.encode()).digest()
    return _uuid(int.from_bytes(digest[:16], "big"), version=8)


def function_id(name: str, serializer: str, payload: bytes) -> str:
    """The id of a function: a UUID (version 8 of RFC 9562) made of the SHA-256 of its content."""
    digest = hashlib.sha256(b"\0".join((name.encode(), serializer.encode(), payload))).digest()
    return _uuid(int.from_bytes(digest[:16], "big"), version=8)


@lru_cache(maxsize=10_000)
def tenants_function_id(tenant: str, public_id: str) -> str:
    """The id under which the function of a tenant other than `default` is kept: of a version that no other id has."""
    digest = hashlib.sha256(f"{tenant}\0{public_id}".encode()).digest()
    return _uuid(int.from_bytes(digest[:16], "big"), version=TENANTS_VERSION)


def is_genuine(function: Function) -> bool:
    """Whether content and tenant are those that the id was made of."""
    public_id = function_id(function.name, function.serializer, function.payload)
    if function.tenant == DEFAULT_TENANT:
        return function.id == public_id
    return function.public_id == public_id and function.id == tenants_function_id(function.tenant, public_id)


def _uuid(value: int, version: int) -> str:
    """128 bits as the text of a UUID; by hand, as the path of every task passes here."""
    value = value & ~(0xF << 76) | version << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    digits = f"{value:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
