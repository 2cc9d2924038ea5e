"""Futures of tasks, and the table of those whose end is not known yet."""

from collections.abc import Generator
from concurrent.futures import Future
from typing import Any, Protocol, TypeVar

from mpcsfaas.client.chaining import Chainable
from mpcsfaas.client.outcome import Outcome

T = TypeVar("T")


class Owner(Protocol):
    """What sees a future's task to its end."""

    def cancel(self, task_id: str) -> bool:
        """Have the task cancelled. True if it had not ended; then its future is the caller's to end."""

    def check_process(self) -> None:
        """Raises `RuntimeError` in a forked process, to which nothing will ever be delivered."""


class TaskFuture(Future[T], Chainable[T]):
    """A `concurrent.futures.Future` of a task, known by `task_id` to the platform; `name` is its function's, if known.

    In asyncio it can be awaited. It is never `running()`: that a task was started is not told to the client.
    """

    accepted = False
    """True once the gateway has said that it has the task."""

    def __init__(self, task_id: str, owner: Owner, name: str = "") -> None:
        super().__init__()
        self.task_id = task_id
        self.name = name
        self._owner = owner

    @property
    def chained_id(self) -> str:
        """As an argument of another task, it stands for its result."""
        return self.task_id

    def cancel(self) -> bool:
        """Cancel the task, also while it runs; True unless it has ended before. Never blocks.

        The future is cancelled at once, and the platform is told by the executor's thread, which kills what runs.
        """
        if not self._owner.cancel(self.task_id):
            return self.cancelled()
        self.mark_cancelled()
        return True

    def mark_cancelled(self) -> None:
        """Cancelled, be it from here or elsewhere. For the executor, after taking it out of the table."""
        super().cancel()
        self.set_running_or_notify_cancel()

    def end(self, outcome: Outcome) -> None:
        """Take the outcome. For the executor, after taking it out of the table."""
        if outcome.error is None:
            self.set_result(outcome.value)
        else:
            self.set_exception(outcome.error)

    def result(self, timeout: float | None = None) -> T:
        """As in the standard library. Raises `RuntimeError` in a forked process, where it would wait for ever."""
        if not self.done():
            self._owner.check_process()
        return super().result(timeout)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """As in the standard library; `RuntimeError` as in `result`."""
        if not self.done():
            self._owner.check_process()
        return super().exception(timeout)

    def __await__(self) -> Generator[Any, None, T]:
        """The result, in asyncio. Whoever gives up the wait cancels the task."""
        import asyncio

        return asyncio.wrap_future(self).__await__()

    def __repr__(self) -> str:
        words = ("<TaskFuture", self.name, self.task_id, super().__repr__().partition(" state=")[2])
        return " ".join(filter(None, words))


class PendingFutures:
    """Futures whose end is not known. Whoever takes one out, and nobody else, ends it. Thread-safe."""

    def __init__(self) -> None:
        self._futures: dict[str, TaskFuture[Any]] = {}

    def add(self, future: TaskFuture[Any]) -> None:
        """Put in."""
        self._futures[future.task_id] = future

    def take(self, task_id: str) -> TaskFuture[Any] | None:
        """Take out; None if it is not there, or another was quicker."""
        return self._futures.pop(task_id, None)

    def take_all(self) -> list[TaskFuture[Any]]:
        """Take out whatever is there."""
        return [future for task_id in list(self._futures) if (future := self.take(task_id))]

    def all(self) -> list[TaskFuture[Any]]:
        """Whatever is there just now."""
        return list(self._futures.values())

    def accepted(self) -> list[str]:
        """Ids of those that the gateway is known to have."""
        return [future.task_id for future in self.all() if future.accepted]

    def mark_accepted(self, task_id: str) -> None:
        """The gateway has this one."""
        future = self._futures.get(task_id)
        if future is not None:
            future.accepted = True

    def __bool__(self) -> bool:
        return bool(self._futures)
