"""What the gateway says, as structures. Times are seconds since the epoch."""

from typing import Generic, TypeVar

from msgspec import Struct

from mpcsfaas.model import State

T = TypeVar("T")


class FunctionInfo(Struct, frozen=True):
    """A registered function, without its payload."""

    id: str
    name: str
    serializer: str
    created_at: float
    python_version: str = ""
    serializer_version: str = ""
    description: str = ""


class RemoteFailure(Struct, frozen=True):
    """Why a task has no value. `kind` is one of `mpcsfaas.model.FailureKind`, or of a later version's."""

    kind: str
    message: str = ""
    type: str = ""
    traceback: str = ""


class ResultItem(Struct, frozen=True):
    """How a task ended: `value` is serialised, and is the exception if there is a `failure`."""

    id: str
    state: State
    serializer: str = ""
    value: bytes | None = None
    failure: RemoteFailure | None = None
    sequence: int = 0
    """Its place in the group's stream; 0 elsewhere."""


class Problem(Struct, frozen=True):
    """An error of the gateway (RFC 9457)."""

    status: int = 0
    title: str = ""
    detail: str = ""


class FoundResult(ResultItem, frozen=True):
    """A result, or the `error` for which there will be none."""

    state: State = State.FAILED
    error: Problem | None = None


class FoundResults(Struct, frozen=True):
    """Of the tasks that were asked about, those that have ended."""

    results: list[FoundResult]


class ItemAnswer(Struct, frozen=True):
    """What became of one task of a batch: accepted under `id`, or refused with `error`."""

    id: str = ""
    state: State = State.QUEUED
    duplicate: bool = False
    error: Problem | None = None


class BatchAnswer(Struct, frozen=True):
    """One answer per task, in order."""

    results: list[ItemAnswer]


class TaskState(Struct, frozen=True):
    """A task's state at the moment of answering; None if the task is unknown."""

    id: str
    state: State | None


class Page(Struct, Generic[T], frozen=True):
    """A slice of a listing; `cursor` continues it, None at the end."""

    items: list[T]
    cursor: str | None = None


class Logs(Struct, frozen=True):
    """What the latest finished attempt of a task printed."""

    id: str
    stdout: str = ""
    stderr: str = ""


class Worker(Struct, frozen=True):
    """A worker, as its dispatcher sees it."""

    id: str
    host: str
    pid: int
    slots: int
    busy: int
    labels: list[str] = []
    python_version: str = ""
    last_seen: float = 0.0


class Dispatcher(Struct, frozen=True):
    """A live dispatcher and its workers."""

    id: str
    host: str
    pid: int
    strategy: str
    started_at: float
    workers: list[Worker] = []
    fenced: int = 0
    """Late and repeated words about attempts that it rejected since its start."""
    malformed: int = 0
    """Frames from workers that were no messages, and that it dropped since its start."""
    refused: int = 0
    """Attempts to connect that it refused since its start, because of an unknown key."""


class Platform(Struct, frozen=True):
    """Every live dispatcher."""

    dispatchers: list[Dispatcher]


class Statistics(Struct, frozen=True):
    """Counts of functions and tasks. Without the scope `admin`, those of the key's tenant; None is not known."""

    queued: int = 0
    running: int = 0
    completed: int | None = None
    failed: int | None = None
    cancelled: int | None = None
    functions: int = 0
    fenced: int | None = None
    oldest_queued_at: float | None = None
    at_least: bool = False
    """True if there were too many to count, so that the numbers are lower bounds."""
