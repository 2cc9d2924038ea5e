"""Messages between a pool and its children: packets of a Unix socket.

Whoever receives a packet owns it, and the order is kept. The pool therefore also holds the child's end: what it
receives there, the child never saw. A message longer than a packet travels as several, which costs a quarter of what
shared memory does (fresh pages are dear, the kernel's socket buffers are warm).
"""

import errno
import socket
from array import array
from collections import deque
from collections.abc import Iterator, Sequence

PACKET = 64 * 1024
"""Bytes of a message that travel at once."""
BUFFERED = 1024 * 1024
"""Bytes that the kernel is asked to hold in each direction; it may grant less."""

_LAST, _MORE = b"l", b"m"
_MOST_FILES = 4
_ANCILLARY = socket.CMSG_SPACE(_MOST_FILES * array("i").itemsize)
_DONTWAIT, _CLOEXEC = int(socket.MSG_DONTWAIT), int(socket.MSG_CMSG_CLOEXEC)  # as flags they are ten times slower
_NO_ROOM = frozenset({errno.EAGAIN, errno.ENOBUFS, errno.ENOMEM, errno.ETOOMANYREFS})


class Closed(Exception):
    """The other side is gone."""


class Channel:
    """One end of the channel. Not thread-safe."""

    def __init__(self, end: socket.socket) -> None:
        self._socket = end
        self._unsent: deque[tuple[bytes, memoryview | bytes, Sequence[int]]] = deque()
        self._parts: list[bytes] = []

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
        for mark, part in _packets(message):
            self._socket.sendmsg((mark, part))

    def put(self, message: bytes, files: Sequence[int] = ()) -> None:
        """Have `flush` send it, with copies of the descriptors `files`."""
        for mark, part in _packets(message):
            self._unsent.append((mark, part, files if mark == _LAST else ()))

    def flush(self) -> bool:
        """Send without waiting; False if there is no room for all. Raises OSError if the other side is gone."""
        try:
            while self._unsent:
                mark, part, files = self._unsent[0]
                self._socket.sendmsg((mark, part), _rights(files), _DONTWAIT)
                self._unsent.popleft()
        except OSError as error:
            if error.errno not in _NO_ROOM:
                raise
            return False
        return True

    def take_unsent(self) -> list[bytes]:
        """What was put and found no room, and is no longer to be sent. For messages that fit a packet each."""
        messages = [bytes(part) for _, part, _ in self._unsent]
        self._unsent.clear()
        return messages

    def receive(self) -> bytes:
        """The next message, waiting for it. Raises `Closed` if the other side is gone, ValueError at garbage."""
        while (received := self._receive(0)) is None:
            pass
        return received[0]

    def try_receive(self) -> bytes | None:
        """The next message, or None if there is no whole one just now. Raises as `receive`."""
        received = self.try_receive_with_files()
        return received and received[0]

    def try_receive_with_files(self) -> tuple[bytes, list[int]] | None:
        """As `try_receive`, for messages that come with descriptors, which are then the caller's."""
        try:
            while (received := self._receive(_DONTWAIT)) is None:
                pass
        except BlockingIOError:
            return None
        return received

    def _receive(self, flags: int) -> tuple[bytes, list[int]] | None:
        """Receive a packet; the message and its descriptors, if that was the last of one."""
        packet, ancillary, _, _ = self._socket.recvmsg(PACKET + 1, _ANCILLARY, flags | _CLOEXEC)
        if not packet:
            raise Closed
        files = memoryview(ancillary[0][2]).cast("i").tolist() if ancillary else []
        mark = packet[:1]
        if mark == _LAST and not self._parts:
            return packet[1:], files
        if mark not in (_LAST, _MORE):
            raise ValueError(f"a packet begins with {mark!r}, as none does")
        self._parts.append(packet[1:])
        if mark == _MORE:
            return None
        message = b"".join(self._parts)
        self._parts.clear()
        return message, files


def fits_a_packet(message: bytes) -> bool:
    """Whether a message is taken by its receiver all at once."""
    return len(message) <= PACKET


def _packets(message: bytes) -> Iterator[tuple[bytes, memoryview | bytes]]:
    if fits_a_packet(message):
        yield _LAST, message
        return
    view = memoryview(message)
    for start in range(0, len(view), PACKET):
        yield _LAST if start + PACKET >= len(view) else _MORE, view[start : start + PACKET]


def _rights(files: Sequence[int]) -> Sequence[tuple[int, int, bytes]]:
    return [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", files).tobytes())] if files else ()
