"""How long to wait before trying again, and when to give up. Pure: the clock is handed in."""

import random

FIRST_DELAY = 0.05
LONGEST_DELAY = 2.0


class Backoff:
    """Delays that double, with jitter, until `patience` seconds have passed since the first trouble."""

    def __init__(self, patience: float, jitter: random.Random | None = None) -> None:
        self.patience = patience
        self._jitter = jitter or random.Random()
        self._since: float | None = None
        self._delay = FIRST_DELAY

    def next_delay(self, now: float, wished: float | None = None) -> float | None:
        """Seconds until the next try, or None when it is time to give up. `wished` is what the gateway asked for."""
        if self._since is None:
            self._since = now
        left = self._since + self.patience - now
        if left <= 0:
            return None
        delay = self._delay * self._jitter.uniform(0.5, 1.0) if wished is None else wished
        self._delay = min(self._delay * 2, LONGEST_DELAY)
        return min(delay, left)

    def reset(self) -> None:
        """The trouble is over; the next one starts from the beginning."""
        self._since = None
        self._delay = FIRST_DELAY
