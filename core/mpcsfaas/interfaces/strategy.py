"""How tasks reach workers."""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from mpcsfaas.interfaces.failure_detector import FailureDetector
from mpcsfaas.interfaces.options import PluginOptions
from mpcsfaas.interfaces.serializer import Serializer
from mpcsfaas.interfaces.worker_link import WorkerLink
from mpcsfaas.model import Attempt, AttemptKey, AttemptResult, Function, ParentResult, WorkerInfo


class Assignment(NamedTuple):
    """An attempt together with the function that it runs, and the seconds it may run (None: no limit)."""

    attempt: Attempt
    function: Function
    timeout: float | None
    parents: tuple[ParentResult, ...] = ()
    """The results of the tasks that it comes after, for its arguments."""


class Rejections(NamedTuple):
    """What a strategy did not take from its workers' side since its start."""

    malformed: int = 0
    """Frames that were no messages."""
    refused: int = 0
    """Attempts to connect without a known key."""


@dataclass(frozen=True, slots=True)
class StrategyContext:
    """What the dispatcher gives a strategy. The callbacks are for the event loop's own thread; none of them blocks."""

    dispatcher_id: str
    serializers: Sequence[Serializer]
    report: Callable[[Sequence[AttemptResult]], None]
    """Hand over outcomes. Each dispatched attempt must be reported at least once; repeats are fenced."""
    capacity_changed: Callable[[], None]
    """Say that `capacity` may have grown."""
    adopt: Callable[[Sequence[AttemptKey]], Awaitable[Collection[AttemptKey]]]
    """Ask for attempts that a worker says it holds; the answer is those that are ours now. The others are to be
    stopped."""
    detector: Callable[[], FailureDetector]
    """Make the failure detector that was chosen, for a strategy whose workers can get lost. Raises `MpcsfaasError`."""
    give_back: Callable[[Sequence[AttemptKey]], None]
    """Let attempts go back to the queue, unreported and at no cost, that have not begun and never will."""


class DispatchStrategy(ABC):
    """Hands attempts to workers and reports what became of them.

    All methods are called from one event loop. `start` is called once before anything else, `stop` once at the end.
    """

    name: ClassVar[str]
    Options: ClassVar[type[PluginOptions]] = PluginOptions
    worker_link: ClassVar[type[WorkerLink] | None] = None
    """How `mpcsfaas worker` reaches this strategy's dispatcher; None if it has no workers of that kind."""

    def __init__(self, options: PluginOptions) -> None:
        self.options = options

    @abstractmethod
    async def start(self, context: StrategyContext) -> None:
        """Open sockets, start processes. Raises `MpcsfaasError` when that cannot be done, saying what to do."""

    @abstractmethod
    def capacity(self) -> int:
        """How many more attempts are wanted now (slots plus prefetch, less what is outstanding); never negative."""

    @abstractmethod
    def labels(self) -> list[frozenset[str]]:
        """The label set of each group of workers that has capacity; a task goes to one that has all of its labels."""

    @abstractmethod
    def dispatch(self, assignments: Sequence[Assignment]) -> None:
        """Take over attempts, at most `capacity()` of them. Never blocks; failures are reported, not raised."""

    @abstractmethod
    def cancel(self, keys: Sequence[AttemptKey]) -> None:
        """Stop these attempts, killing what runs within a second. Unknown keys are ignored. Reporting is optional."""

    def settled(self, keys: Sequence[AttemptKey]) -> None:  # noqa: B027
        """The outcomes of these attempts are durable, or no longer wanted: they need not be reported again."""

    @abstractmethod
    def workers(self) -> list[WorkerInfo]:
        """The workers known just now."""

    def rejections(self) -> Rejections:
        """What it did not take; nothing for a strategy that nobody connects to."""
        return Rejections()

    def worker_url(self) -> str | None:
        """What `mpcsfaas worker --url` takes on this machine, once it is started; None if it has no `worker_link`."""
        return None

    @abstractmethod
    async def stop(self) -> None:
        """Kill what still runs and free everything. Idempotent. Draining is the dispatcher's: it waits first."""
