"""What a worker has to hand in, kept until it is settled. Pure: no clock, no I/O."""

from collections.abc import Iterable
from itertools import islice

from mpcsfaas.model import AttemptKey, AttemptResult
from mpcsfaas.wire import MAX_ITEMS, batches

RESEND_SECONDS = 5.0
"""How long what was handed in may stay unsettled before it is said again."""


class Outbox:
    """Results and returned attempts. Each is said at once, and again from time to time, until `settle` names it."""

    def __init__(self) -> None:
        self._items: dict[AttemptKey, AttemptResult | None] = {}
        """None for an attempt that is returned without having begun."""
        self._unsaid: dict[AttemptKey, None] = {}
        self._said: dict[AttemptKey, float] = {}
        """When each was said last, longest ago first."""

    def __len__(self) -> int:
        return len(self._items)

    def __contains__(self, key: AttemptKey) -> bool:
        return key in self._items

    def keys(self) -> list[AttemptKey]:
        """Everything that is not settled."""
        return list(self._items)

    def put(self, result: AttemptResult) -> None:
        """An attempt ended."""
        self._items[result.key] = result
        self._unsaid[result.key] = None

    def give_back(self, key: AttemptKey) -> None:
        """An attempt will never begin here."""
        self._items[key] = None
        self._unsaid[key] = None

    def settle(self, keys: Iterable[AttemptKey]) -> None:
        """Forget; unknown keys are ignored."""
        for key in keys:
            self._items.pop(key, None)
            self._unsaid.pop(key, None)
            self._said.pop(key, None)

    def say_all_again(self) -> None:
        """What was said may not have been heard."""
        self._unsaid = dict.fromkeys(self._items)
        self._said.clear()

    def due_at(self) -> float | None:
        """When `take` will have something; None if only events can change that."""
        if self._unsaid:
            return 0.0
        return next((said_at + RESEND_SECONDS for said_at in self._said.values()), None)

    def take(self, now: float) -> tuple[tuple[AttemptResult, ...], tuple[AttemptKey, ...]]:
        """Results and returned attempts that fill about one frame, and so count as said now."""
        self._expire(now)
        unsaid = list(islice(self._unsaid, MAX_ITEMS))
        waiting = [result for key in unsaid if (result := self._items[key]) is not None]
        results = next(batches(waiting), ())
        returned = tuple(key for key in unsaid if self._items[key] is None)
        for key in [*(result.key for result in results), *returned]:
            del self._unsaid[key]
            self._said[key] = now
        return results, returned

    def _expire(self, now: float) -> None:
        """Make what was said too long ago unsaid."""
        expired = []
        for key, said_at in self._said.items():
            if said_at + RESEND_SECONDS > now:
                break
            expired.append(key)
        for key in expired:
            del self._said[key]
            self._unsaid[key] = None
