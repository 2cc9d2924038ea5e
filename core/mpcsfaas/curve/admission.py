"""The dispatcher's doorkeeper: libzmq asks it about each peer that wants to connect, by ZAP (RFC 27 of ZeroMQ)."""

import asyncio
import logging
from collections.abc import Sequence

import zmq
from zmq.utils import z85

from mpcsfaas.complaints import Complaints
from mpcsfaas.curve.allow_list import AllowList

log = logging.getLogger(__name__)

PLACE = "inproc://zeromq.zap.01"
"""Where libzmq asks, in each context by itself."""
CURVE = b"CURVE"
ADMITTED, REFUSED = (b"200", b"OK"), (b"400", b"unknown key")


class Doorkeeper:
    """Admits the keys of a list. Their messages bear the public key, as Z85 has it, in the metadata `User-Id`."""

    def __init__(self, context: "zmq.Context[zmq.Socket[bytes]]", allow_list: AllowList) -> None:
        """At work from now on, in the running event loop, for the sockets of this context that demand it."""
        self.refused = 0
        """Times that somebody was not let in."""
        self._allow_list = allow_list
        self._complaints = Complaints(log)
        self._loop = asyncio.get_running_loop()
        self._socket = context.socket(zmq.REP)
        self._socket.linger = 0
        self._socket.bind(PLACE)
        self._loop.add_reader(self._socket.fileno(), self._on_event)
        self._on_event()  # ZMQ tells of what comes in only after one has looked.

    def close(self) -> None:
        """Admit nobody any more."""
        self._loop.remove_reader(self._socket.fileno())
        self._socket.close()

    def _on_event(self) -> None:
        while self._socket.poll(0):
            version, request, _, address, _, mechanism, *credentials = self._socket.recv_multipart()
            key = z85.encode(credentials[0]) if mechanism == CURVE else b""
            (code, text), user = self._judge(key, address)
            self._socket.send_multipart([version, request, code, text, user, b""])

    def _judge(self, key: bytes, address: bytes) -> tuple[Sequence[bytes], bytes]:
        self._allow_list.look()
        if self._allow_list.name_of(key.decode()) is not None:
            return ADMITTED, key
        self.refused += 1
        self._complaints.warn(
            "Refused a worker at %s, whose key %s is not admitted. See: mpcsfaas worker-keys list",
            address.decode(errors="replace"), key.decode(),
        )  # fmt: skip
        return REFUSED, b""
