"""A pseudo-terminal with a program on it, as a user sits before it."""

import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time
from collections.abc import Sequence
from pathlib import Path

PATIENCE = 30.0


class Terminal:
    """Runs a program of a user at work in `folder`, with 80 columns and 24 lines. Close it in the end."""

    def __init__(self, command: Sequence[str], folder: Path, **variables: str) -> None:
        self.controller, self.terminal = pty.openpty()
        self.resize(80, 24)
        self.before = termios.tcgetattr(self.terminal)
        """How it is set before the program changes that."""
        self.output = b""
        self.process = subprocess.Popen(
            command,
            cwd=folder,
            env=_environment(folder) | variables,
            stdin=self.terminal,
            stdout=self.terminal,
            stderr=self.terminal,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )

    def resize(self, columns: int, lines: int) -> None:
        """Give it another size."""
        fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def wait_for(self, text: bytes, after: int = 0) -> int:
        """Read until the text comes; where it ends in the output."""
        end = time.monotonic() + PATIENCE
        while text not in self.output[after:]:
            assert time.monotonic() < end, f"{text!r} did not come: {self.output[-3000:]!r}"
            if select.select([self.controller], [], [], 0.1)[0]:
                self.output += os.read(self.controller, 65_536)
        return self.output.index(text, after) + len(text)

    def type(self, keys: bytes) -> None:
        """Press keys."""
        os.write(self.controller, keys)

    def close(self) -> None:
        """Kill the program, if it still runs."""
        self.process.kill()
        self.process.wait()
        os.close(self.controller)
        os.close(self.terminal)


def _environment(folder: Path) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("MPCSFAAS_")}
    folders = dict.fromkeys(("HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME"), str(folder))
    return inherited | folders | {"TERM": "xterm", "COLUMNS": "80"}
