"""Many viewers, one observer: those who see the same share its looks, and nothing happens while nobody asks."""

import asyncio
import time
from collections.abc import Callable, Hashable

import msgspec

from mpcsfaas_dashboard.look import Observer

INTERVAL = 1.0
"""Seconds between two looks at least."""
LARGEST_SHARE = 0.1
"""Of the time may be spent on looking: after a look that took long, the next comes late."""
MEMORY = 600.0
"""Seconds after which an observer whom nobody asks is forgotten."""


class SharedObserver:
    """Gives its latest look, encoded as JSON, to all who ask, and looks again when that is too old."""

    def __init__(self, observer: Observer, clock: Callable[[], float]) -> None:
        self._observer = observer
        self._clock = clock
        self._looking = asyncio.Lock()
        self._latest = b""
        self._next_at = clock()
        self.asked_at = clock()
        """When somebody asked for the last time, in seconds of the clock."""

    async def look(self) -> bytes:
        """What there is to be seen. Raises `StorageUnavailable`."""
        self.asked_at = self._clock()
        async with self._looking:
            if self._clock() >= self._next_at:
                began = self._clock()
                self._latest = msgspec.json.encode(await self._observer.look())
                self._next_at = next_look(began, self._clock())
        return self._latest


class Observers:
    """One observer for all who see the same. Monotonic seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._shared: dict[Hashable, SharedObserver] = {}

    def of(self, audience: Hashable, make: Callable[[], Observer]) -> SharedObserver:
        """The observer of an audience, made if there is none; those that nobody needs any more go."""
        now = self._clock()
        for other in [other for other, shared in self._shared.items() if now - shared.asked_at > MEMORY]:
            del self._shared[other]
        if audience not in self._shared:
            self._shared[audience] = SharedObserver(make(), self._clock)
        return self._shared[audience]


def next_look(began: float, ended: float) -> float:
    """When to look again after a look that took from `began` to `ended`."""
    return max(began + INTERVAL, ended + (ended - began) * (1 / LARGEST_SHARE - 1))
