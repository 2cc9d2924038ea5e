"""A connection in the event loop: what is asked in one turn goes out together, and answers come in its order."""

import asyncio
import select
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from hiredis import ProtocolError, Reader, pack_command
from redis.exceptions import ResponseError

Command = Sequence[str | bytes | int]

_pack = cast(Callable[[tuple[str | bytes | int, ...]], bytes], pack_command)

INCOMPLETE = object()
"""What the reader gives when the rest of an answer is yet to come."""


@dataclass(slots=True)
class Exchange:
    """Commands of one caller that are not all answered."""

    size: int
    future: "asyncio.Future[list[Any]]"
    answers: list[Any] = field(default_factory=list)


class Connection(asyncio.Protocol):
    """Nobody waits for the answers of others: each exchange is sent at the end of the turn in which it is asked for.

    `timeout` is for how long the server may owe answers without sending anything. `heard` gets what comes unasked.
    """

    def __init__(self, timeout: float, heard: Callable[[Any], None] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        self._timeout = timeout
        self._heard = heard
        self._reader = Reader(replyError=_error, notEnoughData=INCOMPLETE)
        self._outgoing: list[bytes] = []
        self._unanswered = 0
        """Commands that were sent."""
        self._exchanges: deque[Exchange] = deque()
        self._heard_at = 0.0
        self._watch: asyncio.TimerHandle | None = None
        self._problem: Exception | None = None
        self._lost = self._loop.create_future()

    def is_lost(self) -> bool:
        """True if it can't be used any more, also if the loop has not heard of that yet."""
        if self._problem or self._transport.is_closing():
            return True
        return not self._exchanges and self._is_readable()  # Nothing ever comes then, except the end.

    async def exchange(self, commands: Sequence[Command]) -> list[Any]:
        """The answer to each command, be it a `ResponseError`. Raises `OSError` if the connection is lost."""
        if self._problem:
            raise self._problem
        packed = [_pack(tuple(command)) for command in commands]
        future: asyncio.Future[list[Any]] = self._loop.create_future()
        if not self._exchanges:
            self._heard_at = self._loop.time()
            self._watch = self._watch or self._loop.call_later(self._timeout, self._look_at_time)
        if not self._outgoing:
            self._loop.call_soon(self._send)
        self._outgoing += packed
        self._exchanges.append(Exchange(len(packed), future))
        return await future

    def fail(self, problem: Exception) -> None:
        """Hang up at once, which is the end of every exchange."""
        self._problem = self._problem or problem
        self._transport.abort()

    async def close(self) -> None:
        """Wait for the answers that are on their way, and hang up."""
        if self._exchanges:
            await asyncio.wait([exchange.future for exchange in self._exchanges])
        self._transport.abort()
        await self.wait_lost()

    async def wait_lost(self) -> None:
        """Return once there is no connection any more."""
        await asyncio.shield(self._lost)

    def _send(self) -> None:
        self._transport.write(b"".join(self._outgoing))
        self._unanswered += len(self._outgoing)
        self._outgoing = []

    def _is_readable(self) -> bool:
        return bool(self._poll.poll(0))

    def _look_at_time(self) -> None:
        """The one timer, which looks again later when something came meanwhile."""
        self._watch = None
        left = self._heard_at + self._timeout - self._loop.time()
        if not self._exchanges:
            return
        if left > 0 or self._is_readable():
            self._watch = self._loop.call_later(max(left, 0.0), self._look_at_time)
        else:
            self.fail(TimeoutError(f"Timeout: no answer for {self._timeout:g} s"))

    # What the loop tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        self._transport = cast(asyncio.Transport, transport)
        self._poll = select.poll()
        self._poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        self._heard_at = self._loop.time()
        self._reader.feed(data)
        try:
            while (answer := self._reader.gets()) is not INCOMPLETE:
                self._receive(answer)
        except ProtocolError as error:
            self.fail(ConnectionError(f"no Redis server answers there: {error}"))

    def connection_lost(self, error: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._problem = self._problem or error or ConnectionResetError("the server hung up")
        if self._watch:
            self._watch.cancel()
        for exchange in self._exchanges:
            if not exchange.future.done():
                exchange.future.set_exception(self._problem)
        self._exchanges.clear()
        if not self._lost.done():
            self._lost.set_result(None)

    def _receive(self, answer: Any) -> None:
        if self._unanswered:
            self._unanswered -= 1
            self._settle(answer)
        elif isinstance(answer, ResponseError):
            self.fail(answer)
        elif self._heard:
            self._heard(answer)

    def _settle(self, answer: Any) -> None:
        exchange = self._exchanges[0]
        exchange.answers.append(answer)
        if len(exchange.answers) == exchange.size:
            self._exchanges.popleft()
            if not exchange.future.done():
                exchange.future.set_result(exchange.answers)


def _error(text: str) -> ResponseError:
    """An error that is told by its first word, which ERR is none of."""
    return ResponseError(text.removeprefix("ERR "))
