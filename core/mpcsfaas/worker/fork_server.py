"""The program between a pool and its children: it forks them, kills them, and buries them.

It is started afresh and imports what every child needs, so a child begins within milliseconds, shares that memory, and
has nothing of the pool's in it. It never runs user code, has one thread, and is the parent of the children and of all
their orphans: what is below it and no child is a leftover. It ends with the pool, whatever the pool dies of, and takes
everything with it.
"""

import gc
import os
import select
import shutil
import signal
import socket
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from types import ModuleType

from mpcsfaas.errors import MpcsfaasError
from mpcsfaas.worker import child, process_tree
from mpcsfaas.worker.channel import Channel, Closed
from mpcsfaas.worker.messages import Exited, Fork, Kill, Setup, decode_to_fork_server, encode
from mpcsfaas.worker.serializers import LazySerializers

POOL_CHECK_SECONDS = 1.0
"""How often it is made sure that the pool lives, should a stray copy of it hold the channel open."""


class ForkServer:
    """The loop. `folder` is the pool's, and deleted at the end."""

    def __init__(self, channel: Channel, pool: int, folder: str) -> None:
        self._channel = channel
        self._process, self._pool = os.getpid(), pool
        self._folder = folder
        self._children: dict[int, int] = {}  # process id → the pool's number
        self._wakeup, self._wakeup_end = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def run(self) -> None:
        """Serve until the pool is gone, then clear up."""
        with suppress(Closed, ConnectionError):
            self._prepare()
            while os.getppid() == self._pool:
                self._step()
        self._clear_up()

    def _prepare(self) -> None:
        """Import what children will need, and keep the collector from touching, and so copying, what they share."""
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wakeup_end)
        message = decode_to_fork_server(self._channel.receive())
        assert isinstance(message, Setup)
        self._setup = message
        sys.path[:0] = self._setup.path
        self._serializers = LazySerializers(self._setup.serializers)
        self._serializers.warm_up()
        gc.collect()
        gc.freeze()

    def _step(self) -> None:
        poll = select.poll()
        poll.register(self._channel.fileno(), select.POLLIN)
        poll.register(self._wakeup, select.POLLIN)
        poll.poll(POOL_CHECK_SECONDS * 1000)
        with suppress(BlockingIOError):
            os.read(self._wakeup, 4096)
        self._bury()
        while (received := self._channel.try_receive_with_files()) is not None:
            self._obey(*received)

    def _obey(self, message: bytes, files: Sequence[int]) -> None:
        match decode_to_fork_server(message):
            case Fork() as fork:
                self._fork(fork, files)
            case Kill(number):
                for process in [process for process, known in self._children.items() if known == number]:
                    process_tree.kill_tree(process)

    def _fork(self, fork: Fork, files: Sequence[int]) -> None:
        try:
            process = os.fork()
            if process == 0:
                self._live(fork, *files)
            self._children[process] = fork.child
        except OSError as error:
            self._channel.send(encode(Exited(fork.child, 0, 0, refusal=str(error))))
        finally:
            for file in files:
                os.close(file)

    def _live(self, fork: Fork, channel: int, stdout: int, stderr: int) -> None:
        """What the child does; never returns."""
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            self._channel.close()
            os.close(self._wakeup)
            os.close(self._wakeup_end)
            child.settle_in(self._process, fork.folder, stdout, stderr, self._setup.limits, self._setup.identity)
            child.serve(channel, stdout, stderr, self._setup, self._serializers)
        except MpcsfaasError as error:
            sys.stderr.write(f"{error}\n")
            os._exit(1)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)

    def _bury(self) -> None:
        """Reap whoever died, kill what they left behind, and tell the pool."""
        told: list[Exited] = []
        while dead := self._reap():
            process_tree.kill_children(self._process, spare=self._children)
            told += dead
        for exited in told:
            self._channel.send(encode(exited))

    def _reap(self) -> list[Exited]:
        """Reap children and orphans; the children are returned, their process groups are gone."""
        dead = []
        while process := _next_dead():
            if process in self._children:
                process_tree.kill_group(process)
            _, status, usage = os.wait4(process, 0)
            if (number := self._children.pop(process, None)) is not None:
                code, cpu_seconds = os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime
                dead.append(Exited(number, code, usage.ru_maxrss * 1024, cpu_seconds))
        return dead

    def _clear_up(self) -> None:
        for process in self._children:
            process_tree.kill_tree(process)
        process_tree.kill_children(self._process, spare=())
        with suppress(ChildProcessError):
            while True:
                os.wait()
        shutil.rmtree(self._folder, ignore_errors=True)


def _next_dead() -> int | None:
    """A process that died and is to be reaped."""
    try:
        state = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return None
    return state and state.si_pid


def main() -> None:
    """Arguments: the channel's descriptor, the pool's process id (0 from another namespace), the pool's folder."""
    descriptor, pool, folder = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    os.set_inheritable(descriptor, False)
    sys.argv = [""]
    sys.modules["__main__"] = ModuleType("__main__")  # what user code finds under that name is not this program
    child.adopt_orphans()
    child.unbuffer_c_output()
    child.keep_freed_memory()
    ForkServer(Channel(socket.socket(fileno=descriptor)), pool, folder).run()


if __name__ == "__main__":
    main()
