"""How the operations talk to the server: scripts change, commands ask."""

from collections.abc import Callable, Sequence
from functools import partial
from time import monotonic, time
from typing import Any

from mpcsfaas_storage_redis.connecting import connect
from mpcsfaas_storage_redis.connection import Command
from mpcsfaas_storage_redis.lane import Lane
from mpcsfaas_storage_redis.location import Location
from mpcsfaas_storage_redis.scripts import load
from mpcsfaas_storage_redis.server_clock import ServerClock

Word = str | bytes | int


class Client:
    """Two lanes, so that no change waits for a large answer, and the names of the keys."""

    def __init__(self, location: Location, prefix: str, timeout: float, clock: Callable[[], float] | None) -> None:
        """`clock`, if given, tells the time instead of the server."""
        self._server_clock = ServerClock(monotonic, time)
        self._prefix = f"{{{prefix}}}:"
        self._clock = clock
        make = partial(connect, location, timeout)
        self._changes = Lane(location.name, make)
        self._questions = Lane(location.name, make)

    async def stop(self) -> None:
        """Finish what was asked for. Idempotent."""
        await self._changes.stop()
        await self._questions.stop()

    def now(self) -> float:
        """The server's time, but for what the latest answer took to come."""
        return self._server_clock() if self._clock is None else self._clock()

    def key(self, name: str) -> str:
        """A key as the server knows it."""
        return self._prefix + name

    async def change(self, script: str, *arguments: Word) -> Any:
        """Run a script that may change something; its answer."""
        (answer,) = await self._changes.call([self._command(script, arguments)])
        return answer

    async def write(self, *command: Word) -> Any:
        """Run one command that changes something; its answer."""
        (answer,) = await self._changes.call([command])
        return answer

    async def take(self, name: str, limit: int) -> list[bytes]:
        """Remove members from a set; which."""
        (members,) = await self._changes.call([("SPOP", self.key(name), limit)])
        return list(members)

    async def ask_first(self, commands: Sequence[Command]) -> tuple[list[Any], float]:
        """The answers to commands that change nothing, before any change that is made from now on, and their moment."""
        return self._with_moment(await self._changes.call([*commands, ("TIME",)]))

    async def ask_script(self, script: str, *arguments: Word) -> Any:
        """Run a script that answers a question; its answer."""
        (answer,) = await self._questions.call([self._command(script, arguments)])
        return answer

    async def ask(self, commands: Sequence[Command]) -> list[Any]:
        """The answers to commands that change nothing."""
        return await self._questions.call(commands) if commands else []

    async def ask_with_moment(self, commands: Sequence[Command]) -> tuple[list[Any], float]:
        """As `ask`, with the server's time."""
        return self._with_moment(await self._questions.call([*commands, ("TIME",)]))

    def _with_moment(self, answers: list[Any]) -> tuple[list[Any], float]:
        moment = self._server_clock.hear(answers.pop())
        return answers, moment if self._clock is None else self._clock()

    def _command(self, script: str, arguments: Sequence[Word]) -> Command:
        now = "" if self._clock is None else repr(self._clock())
        return ("EVALSHA", load(script).digest, 1, self._prefix, now, *arguments)
