"""Single key presses, from a terminal that is left as it was."""

import os
import select
import sys
import termios
import time
import tty
from typing import Any, Self

ENDS = frozenset("qQ\x03\x04")
"""q, Ctrl-C, Ctrl-D."""


class Keyboard:
    """Reads the terminal at standard input, without echo; where there is none, no key is ever pressed."""

    def __init__(self) -> None:
        self._terminal = sys.stdin.fileno() if sys.stdin and sys.stdin.isatty() else None
        self._before: list[Any] = []

    def __enter__(self) -> Self:
        if self._terminal is not None:
            self._before = termios.tcgetattr(self._terminal)
            tty.setcbreak(self._terminal)
            mode = termios.tcgetattr(self._terminal)
            mode[6][termios.VSUSP] = b"\0"  # A stopped process would leave the terminal on its other screen.
            termios.tcsetattr(self._terminal, termios.TCSANOW, mode)
        return self

    def __exit__(self, *_: object) -> None:
        if self._terminal is not None:
            termios.tcsetattr(self._terminal, termios.TCSAFLUSH, self._before)

    def wants_to_end(self, seconds: float) -> bool:
        """Wait so long for a key; True if it is one that ends."""
        if self._terminal is None:
            time.sleep(seconds)
            return False
        if not select.select([self._terminal], [], [], seconds)[0]:
            return False
        typed = os.read(self._terminal, 64).decode(errors="replace")
        return not typed or not ENDS.isdisjoint(typed)  # Nothing is the end of a terminal that has gone.
