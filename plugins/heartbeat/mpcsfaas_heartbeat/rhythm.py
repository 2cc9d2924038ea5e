"""How regularly one worker beats."""

from collections import deque
from math import sqrt

MICROSECONDS = 1_000_000


class Rhythm:
    """A sliding window of the silences between beats. It begins as if two had been seen, a quarter off the estimate.

    Sums are kept in whole microseconds, so that they stay exact however often the window slides.
    """

    __slots__ = ("_samples", "_squares", "_total", "_window", "heard", "limit")

    def __init__(self, first_estimate: float, window: int) -> None:
        self._samples: deque[int] = deque()
        self._window = window
        self._total = 0
        self._squares = 0
        self.heard = 0.0
        """When the worker was last heard."""
        self.limit = 0.0
        """The silence from there that is suspect, in seconds."""
        self.learn(first_estimate * 0.75)
        self.learn(first_estimate * 1.25)

    def learn(self, silence: float) -> None:
        """Take a silence, in seconds, into the window."""
        sample = round(silence * MICROSECONDS)
        self._samples.append(sample)
        self._total += sample
        self._squares += sample * sample
        if len(self._samples) > self._window:
            oldest = self._samples.popleft()
            self._total -= oldest
            self._squares -= oldest * oldest

    @property
    def mean(self) -> float:
        """Of the silences in the window, in seconds."""
        return self._total / len(self._samples) / MICROSECONDS

    @property
    def deviation(self) -> float:
        """The standard deviation of the silences in the window, in seconds."""
        count = len(self._samples)
        return sqrt(count * self._squares - self._total**2) / count / MICROSECONDS
