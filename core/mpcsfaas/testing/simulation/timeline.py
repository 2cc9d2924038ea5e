"""The one order in which everything in a history happens."""

import asyncio
import heapq
from collections import deque
from collections.abc import Callable
from itertools import count
from random import Random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpcsfaas.testing.simulation.process import Process

START = 1_000_000.0
"""Seconds at which every history begins."""


ENDLESS = 20_000
"""Callbacks at one moment, after which it is taken for certain that they never end."""


MOST_STEPS = 300_000
"""Of a whole history, a typical one of which has a few thousand."""


class Standstill(AssertionError):
    """The history does not come to its end."""


class Timeline:
    """Virtual time: it jumps from one event to the next. Whatever is left to chance is asked of `random`."""

    def __init__(self, seed: int) -> None:
        self.now = START
        self.random = Random(seed)
        self.steps = 0
        """Callbacks that ran so far."""
        self.digest = 0
        """Differs, as good as always, between any two histories that differ."""
        self.defects: list[str] = []
        """Errors that nobody in a process has caught."""
        self._numbers = count()
        self._later: list[tuple[float, int, Process, asyncio.Handle]] = []
        self._now: deque[tuple[Process, asyncio.Handle]] = deque()

    def soon(self, process: "Process", handle: asyncio.Handle) -> None:
        """Let a process do something now, after whatever else is to happen now."""
        self._now.append((process, handle))

    def at(self, moment: float, process: "Process", handle: asyncio.Handle) -> None:
        """Let a process do something at a moment, or now if that is past."""
        heapq.heappush(self._later, (moment, next(self._numbers), process, handle))

    def run(self, until: float, unless: Callable[[], bool] = lambda: False) -> None:
        """Let time pass up to `until`, or to the first moment at which `unless` is true."""
        while not unless() and (self._now or (self._later and self._later[0][0] <= until)):
            if self.steps > MOST_STEPS:
                raise Standstill(f"it is not over after {MOST_STEPS} steps")
            if not self._now:
                self._advance()
            for _ in range(ENDLESS):
                if not self._now:
                    break
                process, handle = self._now.popleft()
                process.do(handle)
            else:
                raise Standstill(f"{process.name} is busy for ever: {handle!r}")
        if not unless():
            self.now = max(self.now, until)

    def note(self, process: "Process") -> None:
        """A process does something now."""
        self.steps += 1
        self.digest = (self.digest * 1_000_003 + int(self.now * 1e6) + process.number) & 0xFFFF_FFFF

    def _advance(self) -> None:
        """To the next moment at which anything happens."""
        self.now = max(self.now, self._later[0][0])
        while self._later and self._later[0][0] <= self.now:
            _, _, process, handle = heapq.heappop(self._later)
            self._now.append((process, handle))
