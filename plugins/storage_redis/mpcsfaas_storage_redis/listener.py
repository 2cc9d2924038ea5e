"""Hears the wake-ups. They are hints: whatever is not heard is found by looking."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from time import monotonic
from typing import Any

from redis.exceptions import RedisError, ResponseError

from mpcsfaas_storage_redis.backoff import Backoff
from mpcsfaas_storage_redis.connection import Connection

WORK = b"tasks"
COMPLETION = b"results"

Hear = Callable[[Any], None]


class Listener:
    """Calls back for each message, and each time that it begins to listen."""

    def __init__(
        self, connect: Callable[[Hear], Awaitable[Connection]], heard: Mapping[bytes, Callable[[], None]]
    ) -> None:
        self._connect = connect
        self._heard = heard
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to listen."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Hang up. Idempotent."""
        if self._task:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        backoff = Backoff()
        while True:
            try:
                await self._listen(backoff)
            except (RedisError, OSError):
                await asyncio.sleep(backoff.failed(monotonic()))

    async def _listen(self, backoff: Backoff) -> None:
        connection = await self._connect(self._hear)
        try:
            # The answer to SUBSCRIBE counts as a message: something may have happened while nobody listened.
            for answer in await connection.exchange([("SUBSCRIBE", channel) for channel in self._heard]):
                self._hear(answer)
            backoff.succeeded()
            await connection.wait_lost()
        finally:
            await connection.close()
        raise ConnectionResetError

    def _hear(self, message: Any) -> None:
        if isinstance(message, ResponseError):
            raise message
        self._heard[message[1]]()
