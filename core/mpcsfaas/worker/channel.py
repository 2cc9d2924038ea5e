"""Whole messages between a pool and a child: packets of a Unix socket, and shared memory for the large ones.

A packet belongs to whoever receives it, and the order is kept. The pool therefore also holds the child's end: what it
receives there, the child never saw.
"""

import os
import socket
from array import array
from collections import deque
from collections.abc import Sequence

INLINE_LIMIT = 64 * 1024
"""Longer messages travel as an anonymous file, whose descriptor is sent along with an empty message."""
BUFFERED = 1024 * 1024
"""Bytes that the kernel is asked to hold in each direction; it may grant less."""

_INLINE, _FILE = b"i", b"f"
_MOST_FILES = 4
_ANCILLARY = socket.CMSG_SPACE(_MOST_FILES * array("i").itemsize)
_PACKET = INLINE_LIMIT + 1


class Closed(Exception):
    """The other side is gone."""


class Channel:
    """One end of the channel. Not thread-safe."""

    def __init__(self, end: socket.socket) -> None:
        self._socket = end
        self._unsent: deque[tuple[bytes, Sequence[int]]] = deque()

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
        self._send(message, (), 0)

    def post(self, message: bytes, files: Sequence[int] = ()) -> bool:
        """Send without waiting, with copies of the descriptors `files`, or keep it for `flush`; False if it is kept.

        Raises OSError if the other side is gone.
        """
        self._unsent.append((message, files))
        return self.flush()

    def flush(self) -> bool:
        """Send what was kept; False if there is still no room for all. Raises OSError if the other side is gone."""
        try:
            while self._unsent:
                self._send(*self._unsent[0], socket.MSG_DONTWAIT)
                self._unsent.popleft()
        except BlockingIOError:
            return False
        return True

    def take_unsent(self) -> list[bytes]:
        """What was kept, which is no longer to be sent."""
        messages = [message for message, _ in self._unsent]
        self._unsent.clear()
        return messages

    def receive(self) -> bytes:
        """The next message, waiting for it. Raises `Closed` if the other side is gone."""
        return self._receive(0)[0]

    def try_receive(self) -> bytes | None:
        """The next message, or None if there is none just now. Raises `Closed` if the other side is gone."""
        message = self.try_receive_with_files()
        return message and message[0]

    def try_receive_with_files(self) -> tuple[bytes, list[int]] | None:
        """As `try_receive`, for messages that come with descriptors, which are then the caller's."""
        try:
            return self._receive(socket.MSG_DONTWAIT)
        except BlockingIOError:
            return None

    def _send(self, message: bytes, files: Sequence[int], flags: int) -> None:
        if len(message) <= INLINE_LIMIT:
            self._socket.sendmsg((_INLINE, message), _rights(files), flags)
            return
        file = os.memfd_create("mpcsfaas-message", os.MFD_CLOEXEC)
        try:
            _write_all(file, message)
            self._socket.sendmsg((_FILE,), _rights((file, *files)), flags)
        finally:
            os.close(file)

    def _receive(self, flags: int) -> tuple[bytes, list[int]]:
        packet, ancillary, _, _ = self._socket.recvmsg(_PACKET, _ANCILLARY, flags | socket.MSG_CMSG_CLOEXEC)
        if not packet:
            raise Closed
        files = memoryview(ancillary[0][2]).cast("i").tolist() if ancillary else []
        if packet[:1] == _INLINE:
            return packet[1:], files
        try:
            return _read_all(files[0]), files[1:]
        finally:
            os.close(files[0])


def _rights(files: Sequence[int]) -> Sequence[tuple[int, int, bytes]]:
    return [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", files).tobytes())] if files else ()


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
