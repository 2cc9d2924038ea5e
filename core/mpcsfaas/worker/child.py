"""The child's main program: ties its life to the pool's, limits itself, then runs what the pool sends.

It is started afresh, so nothing of the pool's memory or modules is in it, and it imports little before the first task.
"""

import ctypes
import os
import resource
import signal
import socket
import sys
from contextlib import suppress
from types import ModuleType

from mpcsfaas.worker.channel import Channel, Closed
from mpcsfaas.worker.messages import Ready, Run, Setup, decode_to_child, encode
from mpcsfaas.worker.output import OutputFile
from mpcsfaas.worker.runner import Runner

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36


def main(descriptor: int, pool: int) -> None:
    """Serve the pool whose process id is `pool`, until it goes away."""
    _die_with(pool)
    _unbuffer_c_output()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.modules["__main__"] = ModuleType("__main__")  # what user code calls __main__ is not this file
    sys.argv = [""]
    os.set_inheritable(descriptor, False)
    channel = Channel(socket.socket(fileno=descriptor))
    setup = decode_to_child(channel.receive())
    assert isinstance(setup, Setup)
    _apply(setup)
    output = [OutputFile(os.dup(stream), setup.max_output) for stream in (1, 2)]
    _serve(channel, Runner(setup, *output))


def _die_with(pool: int) -> None:
    libc = ctypes.CDLL(None)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    libc.prctl(_PR_SET_CHILD_SUBREAPER, 1)
    if os.getppid() != pool:
        os._exit(0)


def _unbuffer_c_output() -> None:
    """What C code prints goes out at once, in order with Python's and safe from a crash."""
    libc = ctypes.CDLL(None)
    for name in ("stdout", "stderr"):
        libc.setvbuf(ctypes.c_void_p.in_dll(libc, name), None, 2, 0)


def _apply(setup: Setup) -> None:
    sys.path[:0] = setup.path
    if setup.memory_limit:
        resource.setrlimit(resource.RLIMIT_AS, (setup.memory_limit, setup.memory_limit))


def _serve(channel: Channel, runner: Runner) -> None:
    channel.send(encode(Ready()))
    with suppress(Closed, BrokenPipeError):
        while True:
            run = decode_to_child(channel.receive())
            assert isinstance(run, Run)
            channel.send(encode(runner.run(run)))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
