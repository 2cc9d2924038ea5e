"""The dispatcher's doorkeeper: libzmq asks it about each peer that wants to connect, by ZAP (RFC 27 of ZeroMQ)."""

import asyncio
import logging
import time
from collections.abc import Sequence
from typing import NamedTuple

import zmq
from zmq.utils import z85

from mpcsfaas.curve.allow_list import AllowList
from mpcsfaas.curve.refusals import Refusals

log = logging.getLogger(__name__)

PLACE = "inproc://zeromq.zap.01"
"""Where libzmq asks, in each context by itself."""
CURVE = b"CURVE"
ADMITTED, REFUSED = (b"200", b"OK"), (b"400", b"unknown key")
WAIT_SECONDS = 1.0
"""How long an unknown key from an address that was refused often waits at most; one look at the list is for all."""
MOST_WAITING = 1024
"""Peers that wait; more are refused at once, as each of them keeps a connection open."""


class Knock(NamedTuple):
    """A question of libzmq's: what its answer begins with, the key as Z85 has it, and where it is from."""

    envelope: Sequence[bytes]
    key: str
    address: str


class Doorkeeper:
    """Admits the keys of a list. Their messages bear the public key, as Z85 has it, in the metadata `User-Id`."""

    def __init__(self, context: "zmq.Context[zmq.Socket[bytes]]", allow_list: AllowList) -> None:
        """At work from now on, in the running event loop, for the sockets of this context that demand it."""
        self.refused = 0
        """Times that somebody was not let in."""
        self._allow_list = allow_list
        self._refusals = Refusals()
        self._waiting: list[Knock] = []
        self._timer: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self._socket = context.socket(zmq.ROUTER)
        self._socket.linger = 0
        self._socket.bind(PLACE)
        self._loop.add_reader(self._socket.fileno(), self._on_event)
        self._on_event()  # ZMQ tells of what comes in only after one has looked.

    def close(self) -> None:
        """Admit nobody any more."""
        if self._timer:
            self._timer.cancel()
        self._loop.remove_reader(self._socket.fileno())
        self._socket.close()

    def _on_event(self) -> None:
        while self._socket.poll(0):
            sender, empty, version, request, _, address, _, mechanism, *credentials = self._socket.recv_multipart()
            key = z85.encode(credentials[0]).decode() if mechanism == CURVE else ""
            self._hear(Knock((sender, empty, version, request), key, address.decode(errors="replace")))

    def _hear(self, knock: Knock) -> None:
        """Whoever is on the list is not kept waiting by others who come from the same address."""
        is_known = self._allow_list.name_of(knock.key) is not None
        if is_known or not self._refusals.must_wait(knock.address, time.monotonic()):
            self._allow_list.look()
            self._judge(knock)
        elif len(self._waiting) >= MOST_WAITING:
            self._refuse(knock)
        else:
            self._waiting.append(knock)
            self._timer = self._timer or self._loop.call_later(WAIT_SECONDS, self._judge_waiting)

    def _judge_waiting(self) -> None:
        waiting, self._waiting, self._timer = self._waiting, [], None
        self._allow_list.look()
        for knock in waiting:
            self._judge(knock)

    def _judge(self, knock: Knock) -> None:
        if self._allow_list.name_of(knock.key) is None:
            self._refuse(knock)
        else:
            self._socket.send_multipart([*knock.envelope, *ADMITTED, knock.key.encode(), b""])

    def _refuse(self, knock: Knock) -> None:
        self.refused += 1
        if self._refusals.refused(knock.address, time.monotonic()):
            log.warning(
                "Refused a worker at %s, whose key %s is not admitted; further ones from there are not told for a "
                "minute. See: mpcsfaas worker-keys list",
                knock.address, knock.key,
            )  # fmt: skip
        self._socket.send_multipart([*knock.envelope, *REFUSED, b"", b""])
