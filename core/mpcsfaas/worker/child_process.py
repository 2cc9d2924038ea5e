"""One child process as the pool holds it: its channel, its output, its life and its death."""

import os
import shutil
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path

from mpcsfaas.model import AttemptKey
from mpcsfaas.worker import process_tree
from mpcsfaas.worker.channel import Channel
from mpcsfaas.worker.exits import ChildExit
from mpcsfaas.worker.messages import FromChild, Run, ToChild, decode_from_child, decode_to_child, encode
from mpcsfaas.worker.output import OutputFile

RECEIVED_AT_ONCE = 4096
"""Messages read from one child before the others get their turn."""


class ChildProcess:
    """A running child. Nothing here blocks, except `kill` for some milliseconds."""

    def __init__(self, environment: Mapping[str, str], folder: Path, max_output: int) -> None:
        """Start it, in `folder`, which is its own. Raises OSError if the system has no room for it."""
        self.folder = folder
        self._unsent: deque[bytes] = deque()
        self._stdout, self._stderr = OutputFile.create(max_output), OutputFile.create(max_output)
        self.channel, self._far_end = Channel.pair()
        try:
            self._process = self._start(environment)
            self.death = os.pidfd_open(self._process.pid)
        except BaseException:
            self._close_files()
            raise
        self.pid = self._process.pid

    def _start(self, environment: Mapping[str, str]) -> "subprocess.Popen[bytes]":
        end = self._far_end.fileno()
        return subprocess.Popen(
            [
                sys.executable,
                "-P",
                "-u",
                "-X",
                "faulthandler",
                "-m",
                "mpcsfaas.worker.child",
                str(end),
                str(os.getpid()),
            ],
            cwd=self.folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=self._stdout.fileno(),
            stderr=self._stderr.fileno(),
            pass_fds=[end],
            start_new_session=True,
        )

    def send(self, message: ToChild) -> bool:
        """Send, or keep for `flush`; False if something is kept."""
        self._unsent.append(encode(message))
        return self.flush()

    def flush(self) -> bool:
        """Send what was kept; False if there is still no room for all."""
        while self._unsent and self.channel.try_send(self._unsent[0]):
            self._unsent.popleft()
        return not self._unsent

    def receive(self) -> Iterator[FromChild]:
        """What the child has sent. Raises msgspec's errors if it is no message of ours, `Closed` if it shut its end."""
        for _ in range(RECEIVED_AT_ONCE):
            message = self.channel.try_receive()
            if message is None:
                return
            yield decode_from_child(message)

    def recall(self) -> list[AttemptKey]:
        """Take back all attempts that the child has not taken."""
        messages = []
        while (message := self._far_end.try_receive()) is not None:
            messages.append(message)
        messages += self._unsent
        self._unsent.clear()
        return [message.key for message in map(decode_to_child, messages) if isinstance(message, Run)]

    def shrink_output(self) -> None:
        """Free the memory of output that is over the limit."""
        self._stdout.shrink()
        self._stderr.shrink()

    def kill(self) -> None:
        """Kill it and all its descendants."""
        process_tree.kill_tree(self.pid)

    def reap(self) -> ChildExit:
        """Collect the dead child, and kill what it left behind."""
        process_tree.kill_remains(self.pid, str(self.folder))
        _, status, usage = os.wait4(self.pid, 0)
        self._process.returncode = os.waitstatus_to_exitcode(status)
        return ChildExit(
            at=time.time(),
            code=self._process.returncode,
            peak_memory=usage.ru_maxrss * 1024,
            stdout=self._stdout.take(),
            stderr=self._stderr.take(),
        )

    def close(self) -> None:
        """Close everything that belongs to a reaped child."""
        os.close(self.death)
        self._close_files()

    def remove_folder(self) -> None:
        """Delete its folder; may take long."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _close_files(self) -> None:
        for file in (self.channel, self._far_end, self._stdout, self._stderr):
            file.close()
