"""What a child does with its life, from the fork to the end: it takes on an identity of its own, then runs attempts."""

import ctypes
import os
import signal
import socket
import tempfile
from contextlib import suppress

from mpcsfaas.worker.channel import Channel, Closed
from mpcsfaas.worker.identity import Identity
from mpcsfaas.worker.limits import Limits, cpu_allowance
from mpcsfaas.worker.messages import Ready, Setup, decode_run, encode
from mpcsfaas.worker.output import OutputFile
from mpcsfaas.worker.runner import Runner
from mpcsfaas.worker.serializers import LazySerializers

_LIBC = ctypes.CDLL(None)
_PR_SET_PDEATHSIG, _PR_SET_NAME, _PR_SET_CHILD_SUBREAPER = 1, 15, 36
_UNBUFFERED = 2
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3


def settle_in(
    server: int, folder: str, stdout: int, stderr: int, limits: Limits, identity: Identity | None = None
) -> None:
    """Turn a fresh copy of the fork server into a process of its own, that dies with it and adopts its orphans."""
    os.setsid()
    os.dup2(stdout, 1)
    os.dup2(stderr, 2)
    os.chdir(folder)
    if identity:
        identity.take_on(folder)  # first, since the kernel then forgets with whom this process is to die
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    _LIBC.prctl(_PR_SET_NAME, b"mpcsfaas-task")
    adopt_orphans()
    if os.getppid() != server:
        os._exit(0)
    os.environ["TMPDIR"] = tempfile.tempdir = folder
    limits.apply()


def serve(channel: int, stdout: int, stderr: int, setup: Setup, serializers: LazySerializers) -> None:
    """Run what the pool sends, until it goes away."""
    pool = Channel(socket.socket(fileno=channel))
    runner = Runner(setup, serializers, OutputFile(stdout, setup.max_output), OutputFile(stderr, setup.max_output))
    allow_cpu = cpu_allowance(setup.limits.cpu_seconds)
    with suppress(Closed, ConnectionError):
        pool.send(encode(Ready(os.getpid())))
        while True:
            message = pool.receive()
            allow_cpu()
            pool.send(encode(runner.run(decode_run(message))))


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent dies, so that none can hide."""
    _LIBC.prctl(_PR_SET_CHILD_SUBREAPER, 1)


def keep_freed_memory() -> None:
    """Have the allocator reuse freed memory rather than give it back at once.

    By default each megabyte that is pickled comes as fresh pages from the kernel, which costs more than the pickling.
    """
    _LIBC.mallopt(_M_MMAP_THRESHOLD, 32 * 1024 * 1024)
    _LIBC.mallopt(_M_TRIM_THRESHOLD, 64 * 1024 * 1024)


def unbuffer_c_output() -> None:
    """Have what C code prints go out at once: in order with Python's output, and safe from a crash."""
    for name in ("stdout", "stderr"):
        _LIBC.setvbuf(ctypes.c_void_p.in_dll(_LIBC, name), None, _UNBUFFERED, 0)
