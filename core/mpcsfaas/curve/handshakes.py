"""What becomes of a worker's attempts to connect: libzmq itself would try for ever, and say nothing."""

import asyncio
import logging

import zmq
from zmq.utils.monitor import recv_monitor_message

from mpcsfaas.complaints import Complaints
from mpcsfaas.curve.key_files import WorkerKey
from mpcsfaas.errors import MpcsfaasError

log = logging.getLogger(__name__)

EVENTS = int(
    zmq.EVENT_HANDSHAKE_SUCCEEDED
    | zmq.EVENT_HANDSHAKE_FAILED_AUTH
    | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
    | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
)
FAILURES = 3
"""Handshakes that break off in a row before it is said: a dispatcher that ends just then may break off one."""


class HandshakeWatch:
    """Watches one socket. What cannot get better is an `MpcsfaasError` in the event loop; the rest is logged."""

    def __init__(self, socket: "zmq.Socket[bytes]", url: str, key: WorkerKey | None) -> None:
        self._url = url
        self._key = key
        self._watched = socket
        self._failures = 0
        self._complaints = Complaints(log)
        self._monitor = socket.get_monitor_socket(EVENTS)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._monitor.fileno(), self._on_event)
        self._on_event()  # ZMQ tells of what comes in only after one has looked.

    def close(self) -> None:
        """Watch no more; before the socket is closed."""
        self._loop.remove_reader(self._monitor.fileno())
        self._watched.disable_monitor()
        self._monitor.close()

    def _on_event(self) -> None:
        while self._monitor.poll(0):
            self._judge(recv_monitor_message(self._monitor)["event"])

    def _judge(self, event: int) -> None:
        match event:
            case zmq.EVENT_HANDSHAKE_SUCCEEDED:
                self._failures = 0
            case zmq.EVENT_HANDSHAKE_FAILED_AUTH:
                raise MpcsfaasError(self._refusal())
            case zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL:
                raise MpcsfaasError(self._misunderstanding())
            case zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL:
                self._failures += 1
                if self._failures >= FAILURES:
                    self._complaints.warn("%s", self._break_off())

    def _refusal(self) -> str:
        assert self._key is not None
        return (
            f"The dispatcher at {self._url} refused our key: {self._key.name!r} ({self._key.public_key}) is not, or no "
            "longer, in its list. On its machine: mpcsfaas worker-keys list; create makes another."
        )

    def _misunderstanding(self) -> str:
        if self._key is None:
            return f"What listens at {self._url} demands a key. Start the worker without --insecure-plaintext."
        return f"What listens at {self._url} is no dispatcher with a key. Correct the address, or start that one anew."

    def _break_off(self) -> str:
        if self._key is None:
            return f"What listens at {self._url} breaks off. It may demand a key: leave out --insecure-plaintext."
        return (
            f"What listens at {self._url} breaks off, {self._failures} times by now. It may be another dispatcher than "
            f"the one whose public key is {self._key.dispatcher_key}: on its machine, mpcsfaas worker-keys show-server "
            "shows which it has, and create makes a key file for this worker (--worker-key FILE)."
        )
