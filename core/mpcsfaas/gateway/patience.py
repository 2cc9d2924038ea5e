"""An end to clients that ask and then do not take the answer."""

import asyncio
import fcntl
import logging
import socket
import struct
import sys
import termios
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

logger = logging.getLogger("mpcsfaas.gateway")

RESET_AT_CLOSE = struct.pack("ii", 1, 0)
"""For SO_LINGER."""


class PatientProtocol(HttpToolsProtocol):
    """A connection that is cut off once its client has taken nothing for `patience` seconds while there was something.

    However little it takes meanwhile, it may go on. The reader of a stream can resume where it was cut off.
    """

    def __init__(self, *arguments: Any, patience: float, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._patience = patience
        self._untaken = 0
        self._timer: asyncio.TimerHandle | None = None

    def pause_writing(self) -> None:
        """The client does not keep up: from now on nothing more is written, so what is left only shrinks."""
        super().pause_writing()
        self._wait()

    def resume_writing(self) -> None:
        """It has caught up."""
        super().resume_writing()
        self._forget()

    def connection_lost(self, exc: Exception | None) -> None:
        """There is nobody to wait for."""
        super().connection_lost(exc)
        self._forget()

    def _wait(self) -> None:
        self._untaken = self._count_untaken()
        self._timer = self.loop.call_later(self._patience, self._look)

    def _look(self) -> None:
        if self._count_untaken() < self._untaken:
            self._wait()
            return
        logger.info("Cutting off a client that has taken nothing of its answer for %g s.", self._patience)
        # Without this, the kernel would keep for it what it has not taken.
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)
        self.transport.abort()

    def _count_untaken(self) -> int:
        """Bytes that wait here, and in the kernel."""
        in_kernel = bytearray(4)
        fcntl.ioctl(self._socket.fileno(), termios.TIOCOUTQ, in_kernel)
        return self.transport.get_write_buffer_size() + int.from_bytes(in_kernel, sys.byteorder)

    @property
    def _socket(self) -> socket.socket:
        found: socket.socket = self.transport.get_extra_info("socket")
        return found

    def _forget(self) -> None:
        if self._timer:
            self._timer.cancel()
