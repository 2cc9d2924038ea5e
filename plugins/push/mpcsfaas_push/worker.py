"""The worker's side: a DEALER."""

import asyncio

import zmq

from mpcsfaas.connecting import ConnectingLink
from mpcsfaas.interfaces import LinkedAgent, PluginOptions
from mpcsfaas.sockets import Channel


class PushLink(ConnectingLink):
    """Sends what the agent says while the connection takes it; the rest waits with the agent."""

    def __init__(self, url: str, options: PluginOptions, agent: LinkedAgent) -> None:
        super().__init__(url, options, agent)
        self._channel: Channel | None = None
        self._flushing: asyncio.Handle | None = None

    async def start(self) -> None:
        """Connect, in the background."""
        self._channel = Channel(zmq.DEALER, self._heard, self._flush, self.key)
        self._channel.connect(self.url)

    def wake(self) -> None:
        """Send in this turn of the loop, after whatever else makes the agent say something."""
        if self._flushing is None and self._channel:
            self._flushing = asyncio.get_running_loop().call_soon(self._flush)

    async def stop(self) -> None:
        """Send the rest, if it is taken at once, and close."""
        channel, self._channel = self._channel, None
        if self._flushing:
            self._flushing.cancel()
        if channel:
            await channel.close()

    def _heard(self, frames: list[bytes]) -> None:
        self.agent.receive(frames)

    def _flush(self) -> None:
        self._flushing = None
        while self._channel and self._channel.can_send():
            frames = self.agent.outgoing()
            if not frames:
                break
            self._channel.send(frames)
