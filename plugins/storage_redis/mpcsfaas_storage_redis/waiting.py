"""Waiting: the server's counters tell what happened, messages only tell when to look at them."""

import asyncio
from math import inf

from mpcsfaas.interfaces.storage import Completion
from mpcsfaas.wakeup import WakeUp
from mpcsfaas_storage_redis.client import Client
from mpcsfaas_storage_redis.reading import completions


class Waits:
    """Everybody of this process who waits for the server. For the event loop's thread only."""

    def __init__(self, client: Client, poll_interval: float) -> None:
        self._client = client
        self._poll_interval = poll_interval
        self._closed = False
        self._seen: dict[str, int] = {}
        """The server's count of news of work at which each dispatcher's last wait returned."""
        self.work = WakeUp()
        self.completion = WakeUp()

    def close(self) -> None:
        """End every wait."""
        self._closed = True
        self.work.set()
        self.completion.set()

    def forget(self, dispatcher_id: str) -> None:
        """Its next wait is like its first."""
        self._seen.pop(dispatcher_id, None)

    async def for_work(self, dispatcher_id: str, timeout: float) -> None:
        """See `Storage.wait_for_work`."""
        loop = asyncio.get_running_loop()
        end = loop.time() + timeout
        while True:
            version = self.work.version
            count, until_ready = await self._look_for_work()
            left = end - loop.time()
            if count != self._seen.get(dispatcher_id) or left <= 0:
                self._seen[dispatcher_id] = count
                return
            await self.work.wait(version, min(left, self._poll_interval, until_ready))
            if self._closed or until_ready <= min(end - loop.time(), self._poll_interval):
                return

    async def _look_for_work(self) -> tuple[int, float]:
        """The count of news, and the seconds until a delayed task becomes ready. One that is due is made ready."""
        key = self._client.key
        commands = [("GET", key("work")), ("ZRANGE", key("delayed"), 0, 0, "WITHSCORES"), ("TIME",)]
        count, first, time = await self._client.ask(commands)
        until_ready = float(first[1]) - self._client.now(time) if first else inf
        if until_ready > 0:
            return int(count or 0), until_ready
        count, seconds = await self._client.change("end_delays")
        return int(count), float(seconds) if seconds else inf

    async def for_completions(self, after: int, timeout: float, limit: int) -> list[Completion]:
        """See `Storage.wait_for_completions`."""
        loop = asyncio.get_running_loop()
        end = loop.time() + timeout
        while not self._closed:
            version = self.completion.version
            found = await completions(self._client, after, limit, None)
            left = end - loop.time()
            if found or left <= 0:
                return found
            await self.completion.wait(version, min(left, self._poll_interval))
        return []
