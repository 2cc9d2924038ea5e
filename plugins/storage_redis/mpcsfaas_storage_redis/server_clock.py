"""The server's time, as far as it is known here. Pure: no clock of its own."""

from collections.abc import Callable, Sequence


class ServerClock:
    """Goes on from what the server said last, by a monotonic clock: what happens to this machine's time is no matter.

    Until the server has said anything, it tells this machine's time.
    """

    def __init__(self, monotonic: Callable[[], float], wall: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._ahead = wall() - monotonic()
        """Of the monotonic clock, in seconds."""

    def __call__(self) -> float:
        """Seconds since the epoch."""
        return self._monotonic() + self._ahead

    def hear(self, answer: Sequence[bytes]) -> float:
        """What the server answered to TIME just now; that moment."""
        moment = int(answer[0]) + int(answer[1]) / 1e6
        self._ahead = moment - self._monotonic()
        return moment
