"""Follows a group's results over any number of connections. Decisions only; `connection` does the I/O."""

import time
from collections.abc import Callable
from urllib.parse import quote

import msgspec

from mpcsfaas.client.backoff import Backoff
from mpcsfaas.client.errors import GatewayUnavailable
from mpcsfaas.client.exchange import BUSY, Request, Response, error_of
from mpcsfaas.client.frames import FrameDecoder
from mpcsfaas.client.records import ResultItem

SILENCE = 25.0
"""Seconds without a byte after which a stream is held for dead; the gateway sends a sign of life every 10."""


class Follower:
    """Where we are in a group's stream, and what to do when the connection breaks."""

    def __init__(
        self, group: str, patience: float, after: int = 0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`patience` is how many seconds of trouble are borne."""
        self.group = group
        self.after = after
        self._clock = clock
        self._backoff = Backoff(patience)
        self._decoder = FrameDecoder()
        self._delay = 0.0

    def request(self) -> Request:
        """The request that goes on from the last result received."""
        self._decoder = FrameDecoder()
        params = {"after": str(self.after)}
        return Request(
            "GET", f"/v1/groups/{quote(self.group, safe='')}/stream", params=params, wait=SILENCE, delay=self._delay
        )

    def opened(self, response: Response) -> None:
        """Look at the head of the answer. Raises `GatewayError` for a refusal that is final."""
        if response.status in BUSY:
            raise GatewayUnavailable(str(error_of(response)), response.status)
        if response.status != 200:
            raise error_of(response)
        self._backoff.reset()

    def received(self, data: bytes) -> list[ResultItem]:
        """New results, in order. Raises `GatewayUnavailable` if the stream is damaged, to be opened again."""
        try:
            items = self._decoder.feed(data)
        except msgspec.DecodeError as error:
            raise GatewayUnavailable(f"The stream of results is damaged: {error}.") from error
        if items:
            self.after = items[-1].sequence
        return items

    def lost(self, error: GatewayUnavailable) -> None:
        """The connection broke. Raises the error when patience is at its end."""
        delay = self._backoff.next_delay(self._clock())
        if delay is None:
            raise error
        self._delay = delay
