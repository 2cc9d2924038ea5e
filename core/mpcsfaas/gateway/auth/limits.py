"""How fast a key may be used: token buckets, without clocks."""

from mpcsfaas.gateway.auth.keys import ApiKey

BURST = 2.0
"""Seconds' worth that may be used at once after a pause."""


class Bucket:
    """Fills at `rate` a second; may be overdrawn by one request, whose size is only known when it has come."""

    def __init__(self, rate: float, now: float) -> None:
        """Full at the beginning. `now` is monotonic seconds, here and below."""
        self.rate = rate
        self._capacity = max(rate * BURST, 1.0)
        self._level = self._capacity
        self._at = now

    def delay(self, now: float) -> float:
        """Seconds until something may be taken; 0 if it may be now."""
        self._fill(now)
        return max(0.0, -self._level / self.rate)

    def take(self, amount: float, now: float) -> None:
        """Take, be it more than there is: then nobody gets anything until that is made up for."""
        self._fill(now)
        self._level -= amount

    def _fill(self, now: float) -> None:
        self._level = min(self._capacity, self._level + (now - self._at) * self.rate)
        self._at = now


class Allowance:
    """What one key may take of this gateway."""

    def __init__(self, key: ApiKey, now: float) -> None:
        self.key = key
        self._requests = Bucket(key.requests_per_second, now) if key.requests_per_second else None
        self._bytes = Bucket(key.bytes_per_second, now) if key.bytes_per_second else None

    def request(self, now: float) -> float:
        """Count a request; or seconds until there may be one, and then it is not counted."""
        delay = max((bucket.delay(now) for bucket in (self._requests, self._bytes) if bucket), default=0.0)
        if not delay and self._requests:
            self._requests.take(1.0, now)
        return delay

    def received(self, size: int, now: float) -> None:
        """Count bytes of a body."""
        if self._bytes:
            self._bytes.take(size, now)
