"""A proxy between workers and a dispatcher that sees every message, for tests in which messages are mistreated."""

import threading
from types import TracebackType
from typing import Self

import zmq

from mpcsfaas.curve import Keyring
from mpcsfaas.sockets import present

POLL_MILLISECONDS = 20


class WireProxy:
    """Passes messages on in both directions, inside the `with` block. It has stolen all keys.

    Subclasses change what is passed on. All methods but `close` run in the proxy's thread.
    """

    def __init__(self, dispatcher: str, keyring: Keyring) -> None:
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.workers = self._context.socket(zmq.ROUTER)
        self.workers.curve_server = True
        self.workers.curve_secretkey = keyring.dispatcher_key().secret_key.encode()
        port = self.workers.bind_to_random_port("tcp://127.0.0.1")
        self.url = f"tcp://127.0.0.1:{port}"
        self._keyring = keyring
        self._url_of_dispatcher = dispatcher
        self.dispatcher = self.connect()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="wire proxy")

    def connect(self) -> "zmq.Socket[bytes]":
        """One more connection to the dispatcher."""
        made = self._context.socket(zmq.DEALER)
        present(made, self._keyring.own_key())
        made.connect(self._url_of_dispatcher)
        return made

    def from_worker(self, message: list[bytes]) -> None:
        """A worker's route, and what it says."""
        self.dispatcher.send_multipart(message)

    def from_dispatcher(self, message: list[bytes]) -> None:
        """An answer."""
        self.workers.send_multipart(message)

    def on_time(self) -> None:
        """Called every now and then."""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        self._context.destroy(linger=0)

    def _run(self) -> None:
        poller = zmq.Poller()
        poller.register(self.workers, zmq.POLLIN)
        poller.register(self.dispatcher, zmq.POLLIN)
        while not self._ended.is_set():
            ready = dict(poller.poll(POLL_MILLISECONDS))
            if self.workers in ready:
                self.from_worker(self.workers.recv_multipart())
            if self.dispatcher in ready:
                self.from_dispatcher(self.dispatcher.recv_multipart())
            self.on_time()
