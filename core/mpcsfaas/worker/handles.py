"""The pool's ends of its fork server and of its children. Nothing here blocks, unless it says so."""

import os
import shutil
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, suppress
from pathlib import Path

from mpcsfaas.model import AttemptKey
from mpcsfaas.worker.channel import Channel, fits_a_packet
from mpcsfaas.worker.exits import ChildExit
from mpcsfaas.worker.messages import (
    Exited,
    Fork,
    FromChild,
    Kill,
    Ready,
    Run,
    Setup,
    decode_exited,
    decode_from_child,
    decode_run,
    encode,
)
from mpcsfaas.worker.output import OutputFile
from mpcsfaas.worker.sandbox import Unconfined

RECEIVED_AT_ONCE = 4096
"""Messages read from one child before the others get their turn."""
END_SECONDS = 5.0
"""How long a fork server may take to kill all children when the pool stops."""


class ChildHandle:
    """A child: its channel, from both ends, and what its tasks print."""

    def __init__(self, number: int, folder: Path, max_output: int) -> None:
        """Prepare it; `folder` is its own. Raises OSError if there are no descriptors left."""
        self.number = number
        self.folder = folder
        self.process = 0
        """Its process id, once it is ready."""
        with ExitStack() as undo:
            self.stdout = undo.enter_context(closing(OutputFile.create(max_output)))
            self.stderr = undo.enter_context(closing(OutputFile.create(max_output)))
            self.channel, self.far_end = Channel.pair()
            undo.pop_all()
        self._waiting: deque[bytes] = deque()
        self._unanswered = 0
        self._large = False

    def put(self, run: Run) -> None:
        """Have `flush` send it."""
        self._waiting.append(encode(run))

    def flush(self) -> bool:
        """Send what may be sent; False if there is no room in the channel.

        What is no single packet could be taken by the child in part. So it is sent only to a child that has nothing
        else to do, and nothing is sent after it until it is answered: then the channel holds nothing to be recalled.
        """
        while self._waiting and not self._large:
            if not fits_a_packet(self._waiting[0]):
                if self._unanswered:
                    break
                self._large = True
            self._unanswered += 1
            self.channel.put(self._waiting.popleft())
        return self.channel.flush()

    def receive(self) -> Iterator[FromChild]:
        """What the child has sent. Raises ValueError if it is no message of ours, `Closed` if it shut its end."""
        for _ in range(RECEIVED_AT_ONCE):
            received = self.channel.try_receive()
            if received is None:
                return
            message = decode_from_child(received)
            if type(message) is not Ready:
                self._unanswered -= 1
                self._large = False
            yield message

    def recall(self) -> list[AttemptKey]:
        """Take back all attempts that the child has not taken."""
        messages = []
        if not self._large:
            while (message := self.far_end.try_receive()) is not None:
                messages.append(message)
            messages += self.channel.take_unsent()
            self._unanswered -= len(messages)
        messages += self._waiting
        self._waiting.clear()
        return [decode_run(message).key for message in messages]

    def shrink_output(self) -> None:
        """Free the memory of output that is over the limit."""
        self.stdout.shrink()
        self.stderr.shrink()

    def exit(self, exited: Exited, cpu_limit: int | None) -> ChildExit:
        """How it ended, with what its last task had printed. `cpu_limit` is that of a task, in seconds."""
        return ChildExit(
            time.time(),
            exited.code,
            exited.peak_memory,
            exited.cpu_seconds,
            cpu_limit,
            stdout=self.stdout.take(),
            stderr=self.stderr.take(),
        )

    def exit_with_server(self, reason: str) -> ChildExit:
        """As `exit`, of a child that died with the fork server; `reason` says what happened to that."""
        return ChildExit(time.time(), lost=reason, stdout=self.stdout.take(), stderr=self.stderr.take())

    def close(self) -> None:
        """Close this side."""
        for file in (self.channel, self.far_end, self.stdout, self.stderr):
            file.close()

    def remove_folder(self) -> None:
        """Delete its folder; may take long."""
        shutil.rmtree(self.folder, ignore_errors=True)


class ForkServerHandle:
    """The fork server's process and channel."""

    def __init__(self, setup: Setup, environment: Mapping[str, str], folder: Path, confinement: Unconfined) -> None:
        """Start it. Raises OSError if the system has no room for it."""
        self._confinement = confinement
        with ExitStack() as undo, ExitStack() as either_way:
            self.channel, far_end = Channel.pair()
            undo.enter_context(closing(self.channel))
            either_way.enter_context(closing(far_end))
            self._output = undo.enter_context(closing(OutputFile.create(setup.max_output)))
            self._process = self._start(far_end, environment, folder)
            self.death = os.pidfd_open(self._process.pid)
            undo.pop_all()
        self.channel.put(encode(setup))

    def _start(self, channel: Channel, environment: Mapping[str, str], folder: Path) -> "subprocess.Popen[bytes]":
        end = channel.fileno()
        program = [sys.executable, "-P", "-u", "-X", "faulthandler", "-m", "mpcsfaas.worker.fork_server"]
        program += [str(end), str(self._confinement.parent()), str(folder)]
        return subprocess.Popen(
            self._confinement.command(program, folder),
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=self._output.fileno(),
            stderr=self._output.fileno(),
            pass_fds=[end],
            start_new_session=True,
        )

    def fork(self, child: ChildHandle) -> None:
        """Have `flush` ask for a child, which `receive` tells the end of."""
        files = [child.far_end.fileno(), child.stdout.fileno(), child.stderr.fileno()]
        self.channel.put(encode(Fork(child.number, str(child.folder))), files)

    def kill(self, child: ChildHandle) -> None:
        """Have `flush` ask for the end of a child and all below it, which `receive` tells."""
        self.channel.put(encode(Kill(child.number)))

    def process(self, ready: Ready) -> int:
        """The id of a child's process; 0 if it is gone."""
        return self._confinement.process(self._process.pid, ready.process)

    def flush(self) -> bool:
        """Send what was asked; False if there is no room in the channel."""
        with suppress(BrokenPipeError):  # its death is announced, too
            return self.channel.flush()
        return True

    def receive(self) -> Iterator[Exited]:
        """Who died. Raises `Closed` if the server itself did."""
        while (message := self.channel.try_receive()) is not None:
            yield decode_exited(message)

    def end(self) -> str:
        """Have it kill all children, wait until it is gone, and tell how it ended. Blocks, usually for milliseconds."""
        self.channel.close()
        try:
            code = self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        code = self._confinement.exit_code(code)
        text = f"{ChildExit(code=code).description}. {self._output.take()}".strip()
        os.close(self.death)
        self._output.close()
        return text
