"""Whole messages between a pool and a child: packets of a Unix socket, and shared memory for the large ones.

A packet belongs to whoever receives it, and the order is kept. The pool therefore also holds the child's end: what it
receives there, the child never saw.
"""

import os
import socket

INLINE_LIMIT = 64 * 1024
"""Longer messages travel as an anonymous file, whose descriptor is sent along with an empty message."""
BUFFERED = 1024 * 1024
"""Bytes that the kernel is asked to hold in each direction; it may grant less."""

_INLINE, _FILE = b"i", b"f"
_ANCILLARY = socket.CMSG_SPACE(4)
_PACKET = INLINE_LIMIT + 1


class Closed(Exception):
    """The other side is gone."""


class Channel:
    """One end of the channel. Not thread-safe."""

    def __init__(self, end: socket.socket) -> None:
        self._socket = end

    @classmethod
    def pair(cls) -> tuple["Channel", "Channel"]:
        """Both ends of a new channel."""
        ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for end in ends:
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFERED)
        return cls(ends[0]), cls(ends[1])

    def fileno(self) -> int:
        """The descriptor, for waiting on it."""
        return self._socket.fileno()

    def close(self) -> None:
        """Close this end."""
        self._socket.close()

    def send(self, message: bytes) -> None:
        """Send, waiting for room. Raises OSError if the other side is gone."""
        self._send(message, 0)

    def try_send(self, message: bytes) -> bool:
        """Send without waiting; False if there is no room just now. Raises OSError if the other side is gone."""
        try:
            self._send(message, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        return True

    def receive(self) -> bytes:
        """The next message, waiting for it. Raises `Closed` if the other side is gone."""
        message = self._receive(0)
        assert message is not None
        return message

    def try_receive(self) -> bytes | None:
        """The next message, or None if there is none just now. Raises `Closed` if the other side is gone."""
        try:
            return self._receive(socket.MSG_DONTWAIT)
        except BlockingIOError:
            return None

    def _send(self, message: bytes, flags: int) -> None:
        if len(message) <= INLINE_LIMIT:
            self._socket.sendmsg((_INLINE, message), (), flags)
            return
        file = os.memfd_create("mpcsfaas-message", os.MFD_CLOEXEC)
        try:
            _write_all(file, message)
            socket.send_fds(self._socket, [_FILE], [file], flags)
        finally:
            os.close(file)

    def _receive(self, flags: int) -> bytes:
        packet, ancillary, _, _ = self._socket.recvmsg(_PACKET, _ANCILLARY, flags | socket.MSG_CMSG_CLOEXEC)
        if not packet:
            raise Closed
        if not ancillary:
            return packet[1:]
        file = int.from_bytes(ancillary[0][2][:4], "little")
        try:
            return _read_all(file)
        finally:
            os.close(file)


def _write_all(file: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(file, rest) :]


def _read_all(file: int) -> bytes:
    size, parts, offset = os.fstat(file).st_size, [], 0
    while offset < size and (part := os.pread(file, size - offset, offset)):
        parts.append(part)
        offset += len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)
