"""What a task prints, caught in anonymous files that both the child and the pool hold.

The file keeps its full size, so everyone can tell how much was written, but only its two ends are read. A pool frees
the middle of one that grows without bound.
"""

import ctypes
import fcntl
import os

_LIBC = ctypes.CDLL(None, use_errno=True)
_LIBC.fallocate.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
_KEEP_SIZE_AND_PUNCH_HOLE = 0x01 | 0x02


class OutputFile:
    """One stream's output: at most `limit` bytes are kept of a task's, half from either end."""

    def __init__(self, descriptor: int, limit: int) -> None:
        self._descriptor = descriptor
        self._head = limit - limit // 2
        self._tail = limit // 2

    @classmethod
    def create(cls, limit: int) -> "OutputFile":
        """A new, empty file. Writers append, whoever they are."""
        descriptor = os.memfd_create("mpcsfaas-output", os.MFD_CLOEXEC)
        fcntl.fcntl(descriptor, fcntl.F_SETFL, os.O_APPEND)
        return cls(descriptor, limit)

    def fileno(self) -> int:
        """The descriptor, for a process to inherit."""
        return self._descriptor

    def close(self) -> None:
        """Close this side."""
        os.close(self._descriptor)

    def take(self) -> str:
        """What was written since the last call, as text."""
        size = os.lseek(self._descriptor, 0, os.SEEK_END)
        if not size:
            return ""
        text = self._read(size)
        os.ftruncate(self._descriptor, 0)
        return text

    def shrink(self) -> None:
        """Free the part that will not be read, if it is large."""
        size = os.lseek(self._descriptor, 0, os.SEEK_END)
        surplus = size - self._head - self._tail
        if surplus > self._head + self._tail:
            _LIBC.fallocate(self._descriptor, _KEEP_SIZE_AND_PUNCH_HOLE, self._head, surplus)

    def _read(self, size: int) -> str:
        cut = size - self._head - self._tail
        if cut <= 0:
            return os.pread(self._descriptor, size, 0).decode(errors="replace")
        head = os.pread(self._descriptor, self._head, 0).decode(errors="replace")
        tail = os.pread(self._descriptor, self._tail, size - self._tail).decode(errors="replace")
        return f"{head}\n[… {cut} bytes cut]\n{tail}"
