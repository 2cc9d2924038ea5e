"""Durations that are counted by how long they took, so that percentiles of any number of them cost little."""

import math
from collections import Counter
from collections.abc import Iterable
from typing import Self

GROWTH = 1.05
"""Each bucket's upper edge is this many times its lower one; so a percentile is right within half of that, 2.5 %."""
LEAST = 1e-4
"""Seconds; what took less is counted as this."""
_LOG_GROWTH = math.log(GROWTH)


class Histogram:
    """Durations in seconds, each with a weight: how many it stands for."""

    def __init__(self) -> None:
        self._buckets: Counter[int] = Counter()
        self.total = 0.0
        """The sum of the weights."""

    @classmethod
    def sum(cls, parts: "Iterable[Histogram]") -> Self:
        """What all parts hold together."""
        whole = cls()
        for part in parts:
            whole._buckets.update(part._buckets)
            whole.total += part.total
        return whole

    def add(self, seconds: float, weight: float = 1.0) -> None:
        """Count one duration."""
        bucket = round(math.log(max(seconds, LEAST)) / _LOG_GROWTH)
        self._buckets[bucket] += weight  # type: ignore[assignment]  # Counters count in floats, too.
        self.total += weight

    def percentile(self, share: float) -> float | None:
        """The duration that this share of them, over 0 and up to 1, did not exceed; None if there are none."""
        wanted = share * self.total
        reached = 0.0
        bucket = None
        for bucket in sorted(self._buckets):
            reached += self._buckets[bucket]
            if reached >= wanted * (1 - 1e-9):  # Sums of weights are not exact.
                break
        return None if bucket is None else GROWTH**bucket
