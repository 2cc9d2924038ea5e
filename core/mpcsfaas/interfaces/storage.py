"""Where functions and tasks live. Storage is the truth; wake-ups are hints.

Every method is atomic: it applies as a whole or, when it raises, not at all. When a method returns, what it did
survives the death of every process of the platform (`memory` excepted, which is for tests). Any number of gateways
and dispatchers may use one storage at the same time. Methods are called from one event loop per instance and never
block it.

Some QUEUED tasks are held: no claim gives them yet, whatever is ready beside them. A task whose `quota` has a
`max_running` is held as long as so many tasks of its owner are RUNNING. It keeps its place in the order of claims, and
is in nobody's way. As soon as one of the owner's tasks leaves RUNNING, however that comes about, it is ready again, and
`wait_for_work` returns. With any number of instances at work, no `claim` ever starts a task over its `max_running`, and
no acceptance takes an owner over a `max_queued`.

A task is held, too, as long as one of its parents (`TaskOptions.after`) has not ended. As soon as the last of them
ends, in whatever state, it is ready (or delayed still), and `wait_for_work` returns. Parents hold back only the first
attempt.

Every method may raise `StorageUnavailable`, after which nothing of the call was applied, or it is unknown whether it
was; so callers repeat the call, and every method here is safe to repeat.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Sequence
from enum import StrEnum
from time import time
from typing import ClassVar, Generic, NamedTuple, TypeVar

from msgspec import Struct
from pydantic import Field

from mpcsfaas.interfaces.options import PluginOptions
from mpcsfaas.model import (
    Attempt,
    AttemptKey,
    DispatcherInfo,
    Function,
    State,
    Task,
    TaskLogs,
    TaskRecord,
    TaskResult,
    Transition,
)

T = TypeVar("T")


class EnqueueStatus(StrEnum):
    """What became of one task of an `enqueue` batch."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    UNKNOWN_FUNCTION = "unknown_function"
    UNKNOWN_PARENT = "unknown_parent"


class Enqueued(NamedTuple):
    """One item of `enqueue`'s answer; `task_id` is the earlier task's for a duplicate idempotency key."""

    status: EnqueueStatus
    task_id: str


class Completion(NamedTuple):
    """One line of the feed of ended tasks; `sequence` grows by at least 1 from each to the next."""

    sequence: int
    task_id: str
    group: str | None
    state: State


class TaskFilter(Struct, frozen=True):
    """Which tasks `list_tasks` gives; None means any."""

    state: State | None = None
    function_id: str | None = None
    group: str | None = None


class Page(NamedTuple, Generic[T]):
    """A slice of a listing; `cursor` continues it, None at the end."""

    items: list[T]
    cursor: str | None


class Statistics(Struct, frozen=True):
    """Counts at one moment. Terminal counts are of the tasks still kept."""

    queued: int = 0
    running: int = 0
    completed: int = 0
    failed: int = 0
    cancelled: int = 0
    functions: int = 0
    fenced: int = 0
    """Transitions that were refused since this instance was opened."""
    oldest_queued_at: float | None = None


class StorageOptions(PluginOptions):
    """Options that every storage has."""

    max_unfinished: int = Field(5_000_000, description="Bound on unfinished tasks; beyond it, new ones are refused.")
    """Bound on QUEUED and RUNNING tasks; beyond it `enqueue` raises `QueueFull`."""


class Storage(ABC):
    """See the module's docstring for what every method promises."""

    name: ClassVar[str]
    """The URL scheme that chooses this storage."""
    Options: ClassVar[type[StorageOptions]] = StorageOptions

    def __init__(self, url: str, options: StorageOptions, clock: Callable[[], float] = time) -> None:
        """`clock` gives wall-clock seconds; storages on one machine use it, shared servers use their own."""
        self.url = url
        self.options = options
        self.clock = clock
        """The time by which tasks are accepted, due, and kept: gateways and dispatchers go by it too."""

    @abstractmethod
    async def open(self) -> None:
        """Connect, and create or upgrade the schema. Called once, before anything else.

        Raises `StorageUnavailable`, or `SettingsError` for a URL that cannot be used.
        """

    @abstractmethod
    async def close(self) -> None:
        """Let go of everything. Pending waits return. Idempotent."""

    # Functions

    @abstractmethod
    async def put_function(self, function: Function) -> bool:
        """Keep a function. True if it is new (or was deleted), False if it is there already; then nothing changes."""

    @abstractmethod
    async def get_function(self, function_id: str, include_deleted: bool = False) -> Function | None:
        """A function with its payload. Deleted ones are still needed by tasks that were accepted before."""

    @abstractmethod
    async def list_functions(self, cursor: str | None = None, limit: int = 100) -> Page[Function]:
        """Functions in a stable order, with empty payloads."""

    @abstractmethod
    async def delete_function(self, function_id: str) -> bool:
        """Refuse new tasks of this function; accepted ones still run. True if it was there."""

    # The life of a task

    @abstractmethod
    async def enqueue(self, tasks: Sequence[Task]) -> list[Enqueued]:
        """Accept tasks; one answer per task, in order.

        A task whose id, or whose (function, idempotency key), is known already is a DUPLICATE, also within the batch.
        One that has a parent (`after`) which is neither known nor accepted earlier in the batch is an UNKNOWN_PARENT,
        so no task waits for itself. The other tasks of the batch are not affected by one that is refused.

        Raises `QueueFull`; or `QuotaExceeded`, if an owner of accepted tasks would then have more QUEUED tasks, held
        ones included, than a `max_queued` of theirs.
        """

    @abstractmethod
    async def claim(
        self, dispatcher_id: str, limit: int, lease: float, labels: Collection[frozenset[str]] = (frozenset(),)
    ) -> list[Attempt]:
        """Move up to `limit` ready tasks to RUNNING as their next attempt, held by `dispatcher_id` for `lease` seconds.

        Ready: QUEUED, not held, `ready_at` reached, and its labels a subset of at least one set in `labels`. Highest
        priority first, then in the order of acceptance. No two claims get the same attempt. Fewer than `limit` mean
        that there are no more just now, or that the storage went away meanwhile.
        """

    @abstractmethod
    async def claim_lapsed(self, dispatcher_id: str, limit: int, lease: float) -> list[Attempt]:
        """Take over up to `limit` RUNNING attempts whose lease has run out, with their number unchanged.

        The caller then ends them by `finish`, as lost. The first dispatcher may still finish one before that.
        """

    @abstractmethod
    async def adopt(self, dispatcher_id: str, keys: Sequence[AttemptKey], lease: float) -> list[Attempt]:
        """Take over those of these attempts that are RUNNING, whoever holds them; the answer is those, in any order.

        For attempts that a worker turns out to be running, or to have a result of, after its dispatcher was replaced.
        The number is unchanged; the former holder is told by `renew`.
        """

    @abstractmethod
    async def claim_overdue(
        self, dispatcher_id: str, limit: int, lease: float, default_deadline: float | None = None
    ) -> list[Attempt]:
        """As `claim`, but of QUEUED tasks whose deadline has passed, ready or held or not, whatever their labels.

        `default_deadline` (seconds from acceptance) counts for tasks that have none of their own.
        """

    @abstractmethod
    async def renew(self, dispatcher_id: str, keys: Sequence[AttemptKey], lease: float) -> list[AttemptKey]:
        """Lengthen leases to `lease` seconds from now; the answer is the attempts that the caller no longer holds.

        Not held: cancelled, finished, taken over by another dispatcher, or unknown. Their work must be stopped.
        """

    @abstractmethod
    async def finish(self, transitions: Sequence[Transition]) -> list[bool]:
        """Apply each transition whose task is RUNNING with just that attempt; one answer per transition, in order.

        False: fenced (a late, repeated or cancelled attempt), counted and otherwise without effect. A terminal
        transition appends to the feed of completions. Repeating an applied transition is fenced.
        """

    @abstractmethod
    async def cancel(self, task_ids: Sequence[str]) -> list[State | None]:
        """End QUEUED and RUNNING tasks as CANCELLED; the answer is each task's state afterwards, None if unknown.

        For a RUNNING one, its dispatcher is told by `take_cancellations` and by `renew`; its result will be fenced.
        """

    @abstractmethod
    async def take_cancellations(self, dispatcher_id: str) -> list[AttemptKey]:
        """Attempts of this dispatcher that were cancelled since the last call.

        Given once, so a hint; `renew` is the truth.
        """

    # Reading

    @abstractmethod
    async def get_tasks(self, task_ids: Sequence[str]) -> list[TaskRecord | None]:
        """One answer per id, in order; None if unknown."""

    @abstractmethod
    async def get_results(self, task_ids: Sequence[str]) -> list[TaskResult | None]:
        """One answer per id, in order; None if unknown."""

    @abstractmethod
    async def get_payloads(self, task_ids: Sequence[str]) -> list[bytes | None]:
        """One answer per id, in order; None if it is gone or unknown.

        Kept while a task may still run and, for it to be done again, after it has FAILED, until its result expires.
        """

    @abstractmethod
    async def get_logs(self, task_id: str) -> TaskLogs | None:
        """What the task's latest finished attempt printed; empty before, None if the task is unknown."""

    @abstractmethod
    async def list_tasks(self, criteria: TaskFilter, cursor: str | None = None, limit: int = 100) -> Page[TaskRecord]:
        """Tasks, newest first. A task that stays and matches throughout is given exactly once over all pages.

        Raises `ValueError` for a cursor that this storage did not make.
        """

    @abstractmethod
    async def completions(self, after: int, limit: int = 1000, group: str | None = None) -> list[Completion]:
        """The feed of ended tasks with a sequence over `after`, in order; of one group, if given.

        Once an item has been seen, no item with a lower sequence appears. Items go when their task's result expires.
        """

    @abstractmethod
    async def latest_completion(self) -> int:
        """The highest sequence given so far; 0 at the beginning. Following from here misses nothing later."""

    @abstractmethod
    async def statistics(self) -> Statistics:
        """Counts. Cheap: independent of the number of tasks kept."""

    # Waiting

    @abstractmethod
    async def wait_for_work(self, dispatcher_id: str, timeout: float) -> None:
        """Return when a claim or `take_cancellations` might give something new, or after `timeout` seconds.

        Nothing is missed between calls: whatever happened since this dispatcher's previous call returned makes the next
        one return at once, and so does the first call of all. May return early for no reason. Work that another process
        added is noticed within 50 ms.
        """

    @abstractmethod
    async def wait_for_completions(self, after: int, timeout: float, limit: int = 1000) -> list[Completion]:
        """`completions(after, limit)` as soon as there is one; nothing after `timeout` seconds, or once closed."""

    # Access

    @abstractmethod
    async def put_key(self, key_id: str, record: bytes) -> None:
        """Keep what the gateways know about an API key, in place of an earlier record of this id."""

    @abstractmethod
    async def list_keys(self) -> dict[str, bytes]:
        """All of these records, by id."""

    @abstractmethod
    async def delete_key(self, key_id: str) -> bool:
        """Forget one. True if it was there."""

    # Housekeeping

    @abstractmethod
    async def expire(self, limit: int = 1000) -> int:
        """Drop payloads, results and logs of up to `limit` tasks that ended longer than their `ttl` ago; how many.

        Such a task reads `expired` for at least its `ttl` again, and is unknown afterwards.
        """

    @abstractmethod
    async def report_dispatcher(self, info: DispatcherInfo) -> None:
        """Publish or replace a dispatcher's report of itself, kept until `info.expires_at`."""

    @abstractmethod
    async def remove_dispatcher(self, dispatcher_id: str) -> None:
        """Withdraw a report. Unknown ids are ignored."""

    @abstractmethod
    async def dispatchers(self) -> list[DispatcherInfo]:
        """Reports that have not run out."""
