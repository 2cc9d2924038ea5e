"""What every case of the strategy contract starts from: a started strategy, with no dispatcher but the tests."""

import asyncio
import inspect
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

from mpcsfaas.interfaces import Assignment, DispatchStrategy, Serializer, StrategyContext
from mpcsfaas.model import Attempt, AttemptKey, AttemptResult, Function, Task, function_id, new_task_id
from mpcsfaas.plugins import Plugins, load_serializer
from mpcsfaas.testing.strategy_cases import work

POLL_SECONDS = 0.005


class Contract(ABC):
    """What a strategy's author says about it."""

    patience: ClassVar[float] = 20.0
    """Seconds after which a wait is taken to be one for ever."""

    @abstractmethod
    def make(self) -> DispatchStrategy:
        """A strategy, not started, with two or three slots and little or no prefetch, so that it is soon full."""

    @asynccontextmanager
    async def beside(self, strategy: DispatchStrategy) -> AsyncIterator[None]:
        """What has to run beside the strategy, which is started: its workers, if it does not start them itself."""
        yield


class Bench:
    """A strategy while a case runs. What it reports is kept, and what it must not do is noticed."""

    def __init__(self, contract: Contract, folder: Path) -> None:
        self._contract = contract
        self._ends = AsyncExitStack()
        self._thread = threading.get_ident()
        self._outstanding: set[AttemptKey] = set()
        self.folder = folder
        self.reports: list[AttemptResult] = []
        self.given_back: list[AttemptKey] = []
        self.complaints: list[str] = []
        """What went wrong where nobody could be told: in callbacks, on other threads."""
        self.changes = 0
        """How often `capacity_changed` was called."""

    async def __aenter__(self) -> "Bench":
        self._loop = asyncio.get_running_loop()
        self._loop.set_exception_handler(self._complain)
        self.strategy = self._contract.make()
        await self.strategy.start(self._context())
        self._ends.push_async_callback(self.strategy.stop)
        try:
            await self._ends.enter_async_context(self._contract.beside(self.strategy))
            await self.until(lambda: self.strategy.capacity() > 0, "it has capacity")
        except BaseException:
            await self._ends.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        self.release()
        await self._ends.aclose()
        assert self.complaints == []

    def _context(self) -> StrategyContext:
        detector = Plugins().detector
        return StrategyContext(
            "bench", serializers(), self._report, self._changed, self._adopt, detector, self._give_back
        )

    # The dispatcher's side

    def _report(self, results: Sequence[AttemptResult]) -> None:
        self._check_thread("report")
        self.reports += results
        self._outstanding -= {result.key for result in results}
        self._loop.call_soon_threadsafe(self.strategy.settled, [result.key for result in results])

    def _changed(self) -> None:
        self._check_thread("capacity_changed")
        self.changes += 1

    def _give_back(self, keys: Sequence[AttemptKey]) -> None:
        self._check_thread("give_back")
        self.given_back += keys

    async def _adopt(self, keys: Sequence[AttemptKey]) -> Collection[AttemptKey]:
        return self._outstanding.intersection(keys)

    def _check_thread(self, callback: str) -> None:
        if threading.get_ident() != self._thread:
            self.complaints.append(f"{callback} was called on another thread than the event loop's own")

    def _complain(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.complaints.append(f"{context['message']}: {context.get('exception')!r}")

    # What cases do

    async def dispatch(self, *assignments: Assignment) -> None:
        """Hand over all of these, as fast as there is capacity."""
        waiting = list(assignments)
        while waiting:
            await self.until(lambda: self.strategy.capacity() > 0, "it has capacity again")
            room = self.strategy.capacity()
            taken, waiting = waiting[:room], waiting[room:]
            self._outstanding |= {assignment.attempt.key for assignment in taken}
            self.strategy.dispatch(taken)

    async def results(self, *assignments: Assignment) -> list[AttemptResult]:
        """What was reported of these, in order; each must be reported once."""
        keys = [assignment.attempt.key for assignment in assignments]
        await self.until(lambda: {result.key for result in self.reports}.issuperset(keys), "all was reported")
        for key in keys:
            assert [result.key for result in self.reports].count(key) == 1, f"{key} was reported more than once"
        by_key = {result.key: result for result in self.reports}
        return [by_key[key] for key in keys]

    async def run(self, function: Callable[..., Any], *arguments: Any, **options: Any) -> AttemptResult:
        """Hand over one attempt, and wait for its outcome."""
        assignment = make_assignment(function, *arguments, **options)
        await self.dispatch(assignment)
        [result] = await self.results(assignment)
        return result

    def holding(self, timeout: float | None = None) -> Assignment:
        """An attempt that runs until `release`; `mark` tells where it writes the id of its process."""
        assignment = make_assignment(work.hold, "", "", 0.0, timeout=timeout)
        arguments = (str(self.mark(assignment)), str(self._gate), self._contract.patience)
        task = assignment.attempt.task
        held = Task(task.id, task.function_id, dill().dumps_call(arguments, {}), task.serializer, task.created_at)
        return assignment._replace(attempt=Attempt(held, 1, task.created_at))

    def mark(self, assignment: Assignment) -> Path:
        """The file that is there once an attempt that holds has begun."""
        return self.folder / assignment.attempt.task.id

    def release(self) -> None:
        """Let all that hold return."""
        self._gate.touch()

    async def fill(self) -> list[Assignment]:
        """Hand over attempts that hold until there is no more capacity, and one of them has begun."""
        held: list[Assignment] = []
        while room := self.strategy.capacity():
            assert room > 0, f"capacity is {room}"
            assert len(held) < 10_000, "its capacity has no end"
            held += [self.holding() for _ in range(room)]
            await self.dispatch(*held[-room:])
        await self.until(lambda: any(self.mark(one).exists() for one in held), "something has begun")
        return held

    async def until(self, condition: Callable[[], object], what: str) -> None:
        """Wait until a condition holds. Fails, naming `what`, when patience is over."""
        end = time.monotonic() + self._contract.patience
        while not condition():
            assert time.monotonic() < end, f"waited {self._contract.patience:g} s in vain until {what}"
            await asyncio.sleep(POLL_SECONDS)

    @property
    def _gate(self) -> Path:
        return self.folder / "gate"


Case = Callable[[Any, Bench], Awaitable[None]]


def case(function: Case) -> Callable[[Contract, Path], None]:
    """Turn an async method that takes a `Bench` into a test that pytest can call without any plugin."""

    def test(self: Contract, tmp_path: Path) -> None:
        async def run() -> None:
            async with Bench(self, tmp_path) as bench:
                await function(self, bench)

        asyncio.run(run())

    test.__name__ = function.__name__
    test.__qualname__ = function.__qualname__
    test.__module__ = function.__module__
    test.__doc__ = inspect.getdoc(function)
    return test


@cache
def serializers() -> Sequence[Serializer]:
    """Those that every dispatcher has."""
    return Plugins().serializers()


@cache
def serializer_of(name: str) -> Serializer:
    """The serializer with this name."""
    return load_serializer(name)


def dill() -> Serializer:
    """The serializer of functions, and of arguments unless a case says otherwise."""
    return serializer_of("dill")


@cache
def make_function(function: Callable[..., Any]) -> Function:
    """A function as it was registered."""
    name, payload = function.__name__, dill().dumps(function)
    return Function(function_id(name, "dill", payload), name, payload, "dill", time.time())


def make_assignment(
    function: Callable[..., Any] | Function,
    *arguments: Any,
    timeout: float | None = None,
    serializer: str = "dill",
    payload: bytes | None = None,
    number: int = 1,
) -> Assignment:
    """An attempt, by default the first, of a new task that calls `function`, with a `payload` of arguments if given."""
    registered = function if isinstance(function, Function) else make_function(function)
    if payload is None:
        payload = serializer_of(serializer).dumps_call(arguments, {})
    task = Task(new_task_id(), registered.id, payload, serializer, time.time())
    return Assignment(Attempt(task, number, time.time()), registered, timeout)
