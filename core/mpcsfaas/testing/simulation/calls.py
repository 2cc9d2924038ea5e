"""Calls from one process to another, which may be lost on either way."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Generic, TypeVar

from mpcsfaas.errors import StorageUnavailable
from mpcsfaas.testing.simulation.process import Process, current

T = TypeVar("T")

PATIENCE = 5.0
"""Seconds after which a call that is not answered has failed."""


async def call(server: Process, work: Callable[[], Awaitable[T]], patience: float = PATIENCE) -> T:
    """What `work` answers at the server. Raises what it raises, and `StorageUnavailable` if either way was lost.

    After that it is unknown whether the work was done.
    """
    question = Question[T](current(), server)
    timer = question.fail_after(patience)
    try:
        question.ask(work)
        return await question.answer
    finally:
        timer.cancel()


class Question(Generic[T]):
    """One call that is out."""

    def __init__(self, caller: Process, server: Process) -> None:
        self._caller = caller
        self._server = server
        self.answer: asyncio.Future[T] = caller.create_future()

    def ask(self, work: Callable[[], Awaitable[T]]) -> None:
        """Send it. Whoever finds the connection broken knows that soon."""
        if not self._send(self._caller, self._server, lambda: self._server.create_task(self._serve(work))):
            self.fail_after(self._caller.timeline.random.random())

    def fail_after(self, delay: float) -> asyncio.TimerHandle:
        """Give up in so many seconds."""
        error = StorageUnavailable(f"{self._server.name} does not answer {self._caller.name}.")
        return self._caller.call_later(delay, self._settle, partial(self.answer.set_exception, error))

    async def _serve(self, work: Callable[[], Awaitable[T]]) -> None:
        try:
            settle = partial(self.answer.set_result, await work())
        except Exception as error:
            settle = partial(self.answer.set_exception, error)
        if not self._send(self._server, self._caller, lambda: self._settle(settle)):
            self.fail_after(self._caller.timeline.random.random())

    def _settle(self, settle: Callable[[], None]) -> None:
        if not self.answer.done():
            settle()

    def _send(self, sender: Process, receiver: Process, deliver: Callable[[], object]) -> bool:
        return sender.network.send(sender, receiver, deliver, reliable=True)
