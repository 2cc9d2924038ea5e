"""What takes the place of a ZMQ socket."""

from collections.abc import Callable, Sequence
from functools import partial

import zmq

from mpcsfaas.testing.simulation.process import Process, current

FIRST_RETRY, LAST_RETRY = 0.05, 2.0
"""Pauses between attempts to connect, in seconds."""


class SimulatedChannel:
    """As `mpcsfaas.sockets.Channel`, over the network of a history."""

    def __init__(
        self, kind: int, heard: Callable[[list[bytes]], None], ready: Callable[[], None], key: None = None
    ) -> None:
        """A history has no keys."""
        self.process: Process = current()
        self._network = self.process.network
        self._kind = kind
        self._heard = heard
        self._ready = ready
        self._url = ""
        self._pause = FIRST_RETRY
        self._open = True
        self.peer: SimulatedChannel | None = None
        """The listener that it is connected to."""
        self._route = b""
        self._question = 0
        """Of a REQ: the number of the last one. Only its answer is heard, and only once."""
        self._peers: dict[bytes, SimulatedChannel] = {}
        self._unsent: Sequence[bytes] = ()
        """What a REQ asks once it is connected."""

    def bind(self, url: str) -> str:
        """Listen."""
        self._url = url
        self._network.listeners[url] = self
        return url

    def connect(self, url: str) -> None:
        """Connect, as soon as somebody listens, and ever again."""
        self._url = url
        self._network.channels.append(self)
        self._try_later(self._network.weather.delay)

    def can_send(self) -> bool:
        """Whether it is connected."""
        return self.peer is not None

    def send(self, parts: Sequence[bytes]) -> bool:
        """Send a message; False if it is dropped at once."""
        if not self._open:
            return False
        if self._kind == int(zmq.ROUTER):
            return self._send_to(self._peers.get(parts[0]), list(parts[1:]))
        if self.peer is not None:
            return self._say(self.peer, [*self._envelope(), *parts])
        if self._kind != int(zmq.REQ):
            return False
        self._unsent = parts
        return True

    async def close(self) -> None:
        """Say and hear nothing more."""
        self._open = False
        if self._network.listeners.get(self._url) is self:
            del self._network.listeners[self._url]
            self._network.disconnect(self)
        if self in self._network.channels:
            self._network.channels.remove(self)

    def lose_peer(self) -> None:
        """The listener is gone."""
        self.peer = None
        self._pause = FIRST_RETRY
        self._try_later(self._pause)

    def _envelope(self) -> list[bytes]:
        if self._kind != int(zmq.REQ):
            return [self._route]
        self._question += 1
        return [self._route, b"%d" % self._question, b""]

    def _send_to(self, peer: "SimulatedChannel | None", parts: list[bytes]) -> bool:
        if peer is None or not peer._open or peer.peer is not self:
            return False
        return self._say(peer, parts)

    def _say(self, peer: "SimulatedChannel", parts: list[bytes]) -> bool:
        self._network.send(self.process, peer.process, partial(peer._hear, parts))
        return True

    def _hear(self, parts: list[bytes]) -> None:
        if self._open and (self._kind != int(zmq.REQ) or parts[0] == b"%d" % self._question):
            self._heard(self._content(parts))
            self._ready()

    def _content(self, parts: list[bytes]) -> list[bytes]:
        if self._kind != int(zmq.REQ):
            return parts
        self._question += 1
        return parts[2:]

    def _try_later(self, delay: float) -> None:
        self.process.call_later(delay, self._try)

    def _try(self) -> None:
        listener = self._network.listeners.get(self._url)
        if not self._open or self.peer is not None:
            return
        if listener is None or not self._network.reaches(self.process, listener.process):
            self._pause = min(LAST_RETRY, 2 * self._pause)
            self._try_later(self._pause)
            return
        self.peer, self._pause = listener, FIRST_RETRY
        self._route = self._network.new_route()
        listener._peers[self._route] = self
        if self._unsent:
            unsent, self._unsent = self._unsent, ()
            self.send(unsent)
        self._ready()


class SimulatedDoorway(SimulatedChannel):
    """As `mpcsfaas.sockets.Doorway`, for whoever comes."""

    refused = 0

    def __init__(self, heard: Callable[[list[bytes], str], None], keyring: None) -> None:
        super().__init__(int(zmq.ROUTER), lambda message: heard(message, ""), lambda: None)
