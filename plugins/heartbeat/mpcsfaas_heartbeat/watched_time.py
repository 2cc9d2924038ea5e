"""Time in which somebody watched: all that a detector may count as silence."""

import math


class WatchedTime:
    """A clock that runs only while its caller does, for a caller that is stopped hears nobody.

    It is driven by the moments at which the caller says or asks something. Of the time between two of them at most
    `longest_step` counts, and after more than `pause` all silences begin afresh: the beats of that time may still be
    on their way. Durations in seconds.
    """

    def __init__(self, longest_step: float, pause: float) -> None:
        self._longest_step = longest_step
        self._pause = pause
        self._latest = -math.inf
        self.reading = 0.0
        """Seconds watched so far."""
        self.resumed = 0.0
        """The reading at which silences began afresh."""

    def advance(self, now: float) -> float:
        """The reading at `now`, which is monotonic seconds; a clock that stands still or falls back adds nothing."""
        gap = max(0.0, now - self._latest)
        self._latest = max(self._latest, now)
        self.reading += min(gap, self._longest_step)
        if gap > self._pause:
            self.resumed = self.reading
        return self.reading

    def silence(self, since: float) -> float:
        """Seconds of silence of whom was last heard at the reading `since`."""
        return self.reading - max(since, self.resumed)
