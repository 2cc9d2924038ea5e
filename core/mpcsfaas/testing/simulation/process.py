"""One process of a history: an event loop of its own, which can be stopped, woken and killed at any moment."""

import asyncio
from collections.abc import Callable, Coroutine, Generator
from contextlib import suppress
from contextvars import Context
from typing import TYPE_CHECKING, Any, TypeVar, TypeVarTuple, Unpack, cast

if TYPE_CHECKING:
    from mpcsfaas.testing.simulation.behaviour import Runs
    from mpcsfaas.testing.simulation.network import Network
    from mpcsfaas.testing.simulation.timeline import Timeline

T = TypeVar("T")
Arguments = TypeVarTuple("Arguments")
ExceptionHandler = Callable[[asyncio.AbstractEventLoop, dict[str, Any]], object]


class Process(asyncio.AbstractEventLoop):
    """What runs in it sees its clocks and its part of the network, and believes to be alone on its machine."""

    def __init__(self, timeline: "Timeline", network: "Network", runs: "Runs", name: str, number: int) -> None:
        self.timeline = timeline
        self.network = network
        self.runs = runs
        self.name = name
        self.number = number
        self.alive = True
        self.suspended = False
        self.wall_offset = 0.0
        """Seconds that its wall clock is ahead."""
        self._held: list[asyncio.Handle] = []
        self._tasks: list[asyncio.Task[Any]] = []
        self._on_exception: ExceptionHandler | None = None

    def main(self, work: Coroutine[Any, Any, None]) -> None:
        """Run this; an error that comes out of it is a defect."""
        self.create_task(work).add_done_callback(self._on_end)

    def _on_end(self, task: "asyncio.Task[None]") -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self.timeline.defects.append(f"{self.name} ended by {error!r}")
            self.kill()

    # What happens to it

    def suspend(self) -> None:
        """As SIGSTOP does."""
        self.suspended = True

    def resume(self) -> None:
        """As SIGCONT does: all that has come in meanwhile is there at once."""
        self.suspended = False
        held, self._held = self._held, []
        for handle in held:
            self.timeline.soon(self, handle)

    def kill(self) -> None:
        """As SIGKILL does: nothing that it was about to do is done. Idempotent."""
        self.alive = False
        self._held.clear()
        self.network.forget(self)

    def bury(self) -> None:
        """Take what it has left behind apart, so that Python finds nothing to complain of."""
        self.kill()
        for task in self._tasks:
            task._log_destroy_pending = False  # type: ignore[attr-defined]
            coroutine = task.get_coro()
            while isinstance(coroutine, Coroutine) and getattr(coroutine, "cr_frame", None) is not None:
                with suppress(BaseException):
                    coroutine.close()
        self._tasks.clear()

    def do(self, handle: asyncio.Handle) -> None:
        """Run one callback, unless there is a reason not to."""
        if not self.alive or handle.cancelled():
            return
        if self.suspended:
            self._held.append(handle)
            return
        self.timeline.note(self)
        asyncio._set_running_loop(self)
        try:
            handle._run()
        finally:
            asyncio._set_running_loop(None)

    # What it sees of time

    def time(self) -> float:
        """The monotonic clock."""
        return self.timeline.now

    def wall_clock(self) -> float:
        """Seconds since the epoch, as far as it knows."""
        return self.timeline.now + self.wall_offset

    # What asyncio asks of an event loop

    def call_soon(
        self, callback: Callable[[Unpack[Arguments]], object], *args: *Arguments, context: Context | None = None
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self.timeline.soon(self, handle)
        return handle

    call_soon_threadsafe = call_soon

    def call_later(
        self,
        delay: float,
        callback: Callable[[Unpack[Arguments]], object],
        *args: *Arguments,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        return self.call_at(self.timeline.now + delay, callback, *args, context=context)

    def call_at(
        self,
        when: float,
        callback: Callable[[Unpack[Arguments]], object],
        *args: *Arguments,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        self.timeline.at(when, self, handle)
        return handle

    def create_future(self) -> "asyncio.Future[Any]":
        return asyncio.Future(loop=self)

    def create_task(
        self,
        coro: Generator[Any, None, T] | Coroutine[Any, Any, T],
        *,
        name: str | None = None,
        context: Context | None = None,
    ) -> "asyncio.Task[T]":
        task = asyncio.Task(cast(Coroutine[Any, Any, T], coro), loop=self, name=name or self.name, context=context)
        self._tasks = [one for one in self._tasks if not one.done()] if len(self._tasks) > 100 else self._tasks
        self._tasks.append(task)
        return task

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return self.alive

    def is_closed(self) -> bool:
        return False

    def set_exception_handler(self, handler: ExceptionHandler | None) -> None:
        self._on_exception = handler

    def default_exception_handler(self, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if self.alive and error is not None:
            self.timeline.defects.append(f"{self.name}: {context['message']}: {error!r}")

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        if self.alive:
            handle = self._on_exception or type(self).default_exception_handler
            handle(self, context)

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """It stays in the line, and is passed over there."""


def current() -> Process:
    """The process whose code runs just now."""
    return cast(Process, asyncio.get_running_loop())
