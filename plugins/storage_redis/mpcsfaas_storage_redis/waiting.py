"""Waiting: the server's counters tell what happened, messages only tell when to look at them."""

import asyncio
from math import inf
from typing import NamedTuple

from mpcsfaas.interfaces.storage import Completion
from mpcsfaas.recent import Recent
from mpcsfaas.wakeup import WakeUp
from mpcsfaas_storage_redis.client import Client
from mpcsfaas_storage_redis.reading import completions


class _Look(NamedTuple):
    """What the server said of work."""

    version: int
    """Of the wake-up, before the server was asked."""
    news: int
    """How much there has been, ever."""
    until_ready: float
    """Seconds until a delayed task becomes ready."""


class Waits:
    """Everybody of this process who waits for the server. For the event loop's thread only."""

    def __init__(self, client: Client, recent: Recent, poll_interval: float) -> None:
        """`recent` has what messages tell of ended tasks."""
        self._client = client
        self._recent = recent
        self._poll_interval = poll_interval
        self._closed = False
        self._seen: dict[str, int] = {}
        """The server's count of news of which each dispatcher has been told."""
        self._told: dict[str, asyncio.Future[tuple[_Look | BaseException]]] = {}
        """What each dispatcher that a message woke has been told of, or why that is not known."""
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
        """See `Storage.wait_for_work`.

        Who is woken by a message can claim at once: the count of what that tells of is on its way to us before.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + timeout
        look = await self._first_look(dispatcher_id)
        while not self._closed:
            if look.until_ready <= 0:
                look = await self._end_delays(look.version)
            left = end - loop.time()
            if look.news != self._seen.get(dispatcher_id) or left <= 0:
                self._seen[dispatcher_id] = look.news
                return
            pause = min(left, self._poll_interval, look.until_ready)
            await self.work.wait(look.version, pause)
            if self.work.version != look.version and not self._closed:
                self._told[dispatcher_id] = asyncio.gather(self._look(), return_exceptions=True)
                return
            if pause == look.until_ready:
                return
            look = await self._look()

    async def _first_look(self, dispatcher_id: str) -> _Look:
        if dispatcher_id in self._told:
            (look,) = await self._told.pop(dispatcher_id)
            if isinstance(look, _Look):
                self._seen[dispatcher_id] = look.news
                return look
        return await self._look()

    async def _look(self) -> _Look:
        version, key = self.work.version, self._client.key
        commands = [("GET", key("work")), ("ZRANGE", key("delayed"), 0, 0, "WITHSCORES")]
        (count, first), moment = await self._client.ask_first(commands)
        until_ready = float(first[1]) - moment if first else inf
        return _Look(version, int(count or 0), until_ready)

    async def _end_delays(self, version: int) -> _Look:
        """Make what is due ready, which is news."""
        count, seconds = await self._client.change("end_delays")
        return _Look(version, int(count), float(seconds) if seconds else inf)

    async def for_completions(self, after: int, timeout: float, limit: int) -> list[Completion]:
        """See `Storage.wait_for_completions`. The server is asked for what no message told, and now and then."""
        loop = asyncio.get_running_loop()
        end = loop.time() + timeout
        was_told = timeout > 0 and self._recent.is_latest(after)
        while not self._closed:
            version = self.completion.version
            found = self._recent.completions(after, limit, self._client.now())
            if not found and not was_told:
                found = await completions(self._client, after, limit, None)
            left = end - loop.time()
            if found or left <= 0:
                return found
            await self.completion.wait(version, min(left, self._poll_interval))
            was_told = False
        return []
