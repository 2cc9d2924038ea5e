"""Hears the wake-ups. They are hints: whatever is not heard is found by looking."""

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Any

from redis.exceptions import RedisError, ResponseError

from mpcsfaas_storage_redis.backoff import Backoff
from mpcsfaas_storage_redis.connection import Connection

WORK = "tasks"
COMPLETION = "results"


class Listener:
    """Calls back with each message of one channel, and with an empty one each time that it begins to listen."""

    def __init__(
        self,
        connect: Callable[[Callable[[Any], None]], Awaitable[Connection]],
        channel: str,
        call_back: Callable[[bytes], None],
    ) -> None:
        self._connect = connect
        self._channel = channel
        self._call_back = call_back
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to listen. Idempotent."""
        if self._task is None:
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
            (answer,) = await connection.exchange([("SUBSCRIBE", self._channel)])
            if isinstance(answer, ResponseError):
                raise answer
            backoff.succeeded()
            self._call_back(b"")  # Something may have happened while nobody listened.
            await connection.wait_lost()
        finally:
            await connection.close()
        raise ConnectionResetError

    def _hear(self, push: Any) -> None:
        self._call_back(push[2])
