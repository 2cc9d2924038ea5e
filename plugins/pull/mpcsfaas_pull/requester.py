"""One REQ socket, made anew whenever an answer does not come in time."""

import asyncio
import logging
from collections.abc import Sequence

import zmq

from mpcsfaas.curve import WorkerKey
from mpcsfaas.errors import MpcsfaasError
from mpcsfaas.sockets import Channel

log = logging.getLogger(__name__)

MAX_TIMEOUT = 10.0


class Requester:
    """Asks one question at a time. A question that was lost, or its answer, costs one timeout and no more."""

    def __init__(self, url: str, key: WorkerKey | None = None) -> None:
        self._url = url
        self._key = key
        self._channel: Channel | None = None
        self._answer: asyncio.Future[list[bytes]] | None = None
        self._failures = 0

    async def ask(self, frames: Sequence[bytes], timeout: float) -> list[bytes] | None:
        """The answer; None if none comes in `timeout` seconds, which double with every failure since the last answer.

        Never returns early without an answer, so that callers may simply ask again.
        """
        self._answer = asyncio.get_running_loop().create_future()
        limit = max(timeout, min(MAX_TIMEOUT, timeout * 2.0**self._failures))
        try:
            async with asyncio.timeout(limit):
                self._send(frames)
                answer = await self._answer
        except TimeoutError:
            self._failures += 1
            await self.close()
            return None
        self._failures = 0
        return answer

    async def close(self) -> None:
        """Drop the question that is out, if any. Idempotent."""
        channel, self._channel = self._channel, None
        if channel:
            await channel.close()

    def _send(self, frames: Sequence[bytes]) -> None:
        try:
            if self._channel is None:
                self._channel = Channel(zmq.REQ, self._heard, lambda: None, self._key)
                self._channel.connect(self._url)
            self._channel.send(frames)
        except (MpcsfaasError, zmq.ZMQError) as error:
            log.warning("No socket to %s: %s", self._url, error)

    def _heard(self, frames: list[bytes]) -> None:
        if self._answer and not self._answer.done():
            self._answer.set_result(frames)
