"""A connection that comes back: what is asked of it fails while it is away, and nothing else changes."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from time import monotonic
from typing import Any

from redis.exceptions import RedisError, ResponseError

from mpcsfaas.errors import MpcsfaasError, StorageUnavailable
from mpcsfaas_storage_redis.backoff import Backoff
from mpcsfaas_storage_redis.connection import Command, Connection
from mpcsfaas_storage_redis.problems import explain, is_of_replica
from mpcsfaas_storage_redis.scripts import load, names


class Lane:
    """A connection that is lost fails the calls that were under way, and is made anew for the next.

    Though not at once if that has just failed: then the calls fail at once.
    """

    def __init__(self, name: str, connect: Callable[[], Awaitable[Connection]]) -> None:
        self._name = name
        self._connect = connect
        self._connection: Connection | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._backoff = Backoff()
        self._problem: MpcsfaasError | None = None
        self._closing = False

    async def stop(self) -> None:
        """Wait for what has been asked for, and hang up. Idempotent."""
        self._closing = True
        if self._connecting:
            await asyncio.wait([self._connecting])
        if self._connection:
            await self._connection.close()

    async def call(self, commands: Sequence[Command]) -> list[Any]:
        """The answer to each command, none of which is an error. Raises `StorageUnavailable` and others."""
        connection = self._connection
        if connection is None or connection.is_lost() or self._closing:
            connection = await self._connected()
        try:
            answers = await connection.exchange(commands)
            if any(isinstance(answer, ResponseError) for answer in answers):
                answers = await _with_scripts(connection, commands, answers)
                self._check(answers, connection)
        except (RedisError, OSError) as error:
            raise explain(error, self._name) from error
        return answers

    def _check(self, answers: Sequence[Any], connection: Connection) -> None:
        for answer in answers:
            if isinstance(answer, ResponseError):
                if is_of_replica(answer):
                    connection.fail(answer)
                raise answer

    async def _connected(self) -> Connection:
        if self._closing:
            raise StorageUnavailable(f"{self._name} is closed; open a new storage")
        if self._connecting is None and self._backoff.may_try(monotonic()):
            self._connecting = asyncio.create_task(self._reconnect())
        if self._connecting:
            await asyncio.shield(self._connecting)
        if self._problem or self._connection is None:
            raise explain(self._problem or ConnectionError("there is none"), self._name)
        return self._connection

    async def _reconnect(self) -> None:
        try:
            if self._connection:
                await self._connection.close()
            self._connection = await self._connect()
        except Exception as error:
            self._backoff.failed(monotonic())
            self._problem = explain(error, self._name)
        else:
            self._backoff.succeeded()
            self._problem = None
        finally:
            self._connecting = None


async def _with_scripts(connection: Connection, commands: Sequence[Command], answers: list[Any]) -> list[Any]:
    """The answers, once the server has been told the scripts that it lacks."""
    missing = [index for index, answer in enumerate(answers) if str(answer).startswith("NOSCRIPT")]
    if missing:
        await connection.exchange([("SCRIPT", "LOAD", load(name).text) for name in names()])
        for index, answer in zip(missing, await connection.exchange([commands[i] for i in missing]), strict=True):
            answers[index] = answer
    return answers
