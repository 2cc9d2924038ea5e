"""When to try to reach a server again that could not be reached."""

from random import uniform

FIRST_DELAY = 0.05
LONGEST_DELAY = 1.0


class Backoff:
    """Knows how often it went wrong in a row; times are monotonic seconds."""

    def __init__(self) -> None:
        self._failures = 0
        self._next = 0.0

    def may_try(self, now: float) -> bool:
        """True once the pause is over."""
        return now >= self._next

    def failed(self, now: float) -> float:
        """It went wrong again; the answer is the seconds to wait: twice as long as before, with some jitter."""
        delay = min(LONGEST_DELAY, FIRST_DELAY * 2.0 ** min(self._failures, 10)) * uniform(0.5, 1)
        self._failures += 1
        self._next = now + delay
        return delay

    def succeeded(self) -> None:
        """It went well."""
        self._failures = 0
        self._next = 0.0
