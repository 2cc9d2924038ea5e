"""Clients that follow a stream and read slowly or not at all, as many as are wanted, in one thread."""

import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

RECEIVE_BUFFER = 4096
"""Bytes that the kernel is asked to take for a reader, so that it is soon the gateway that has to hold the rest."""
SIP = 256
"""Bytes that a slow reader takes at once."""
PAUSE = 0.2
"""Seconds between one sip and the next."""


class SlowReaders:
    """`count` connections to `path` inside the `with` block. Every second one takes a sip now and then, none the rest.

    Each has had the first bytes of its answer, so that the gateway is known to serve it.
    """

    def __init__(self, url: str, path: str, count: int) -> None:
        parts = urlsplit(url)
        self._address = (parts.hostname or "", parts.port or 80)
        self._request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
        self._count = count
        self._sockets: list[socket.socket] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sip, name="slow readers")

    def __enter__(self) -> Self:
        try:
            for _ in range(self._count):
                self._sockets.append(self._connect())
            for reader in self._sockets:
                assert reader.recv(SIP).startswith(b"HTTP/1.1 200"), "the stream is not served"
                reader.setblocking(False)
        except BaseException:
            self._close()
            raise
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        self._close()

    def _connect(self) -> socket.socket:
        made = socket.socket()
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        made.settimeout(60)
        made.connect(self._address)
        made.sendall(self._request)
        return made

    def _sip(self) -> None:
        while not self._ended.wait(PAUSE):
            for reader in self._sockets[::2]:
                with suppress(BlockingIOError):
                    reader.recv(SIP)

    def _close(self) -> None:
        for reader in self._sockets:
            reader.close()
