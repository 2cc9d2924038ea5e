"""Reads what has ended since the last look, in bounded work."""

import math
from collections.abc import Sequence

from mpcsfaas.figures import Figures, ended_of
from mpcsfaas.gateway.storage_view import StorageView
from mpcsfaas.interfaces import Storage
from mpcsfaas.interfaces.storage import Completion

FIRST = 1000
"""Ended tasks that a look reads at most if it is the first for a while, so that there is something to see at once."""
AWAY = 10.0
"""Seconds after which it is."""
CHUNK = 1000
CHUNKS = 10
"""Of the feed that a look reads at most; if more has ended, the figures are too low."""
SAMPLE = 200
"""Tasks that one look reads at most, which then stand for all that have ended."""


class Follower:
    """Counts each task once, in the order in which they ended.

    The feed tells ids of all tenants' tasks; whose they are, and all else, is read through a tenant's own view, to
    which the tasks of others are unknown.
    """

    def __init__(self, feed: Storage, view: StorageView, figures: Figures) -> None:
        self._feed = feed
        self._view = view
        self._figures = figures
        self._after = 0
        self._at = -math.inf

    async def follow(self) -> None:
        """Note what has ended since the last time. Raises `StorageUnavailable`; then it is noted the next time."""
        now = self._view.clock()
        was_away = now - self._at > AWAY
        latest = await self._feed.latest_completion()
        after = max(self._after, latest - (FIRST if was_away else CHUNK * CHUNKS))
        completions = await self._read(after, latest)
        sample = spread(completions, FIRST if was_away else SAMPLE)
        records = await self._view.get_tasks([completion.task_id for completion in sample]) if sample else []
        ended = [one for record in records if record and (one := ended_of(record))]
        self._figures.note(ended, len(completions) / max(1, len(sample)), now)
        self._after, self._at = latest, now

    async def _read(self, after: int, latest: int) -> list[Completion]:
        found: list[Completion] = []
        for _ in range(CHUNKS):
            chunk = await self._feed.completions(after, CHUNK)
            found += [completion for completion in chunk if completion.sequence <= latest]
            if len(chunk) < CHUNK or chunk[-1].sequence >= latest:
                break
            after = chunk[-1].sequence
        return found


def spread(items: Sequence[Completion], count: int) -> list[Completion]:
    """Up to `count` items, evenly spread over all."""
    if len(items) <= count:
        return list(items)
    return [items[index * len(items) // count] for index in range(count)]
