"""What really ran, written by the tasks themselves outside the platform, which may be killed at any moment."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple


class Entry(NamedTuple):
    """One run of a task."""

    name: str
    pid: int
    """Of the process that ran it."""


class Ledger:
    """A file to which tasks append as they begin and as they end, each line durable before the task goes on."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._gate = path.with_name(f"{path.name}-gate")

    def entries(self) -> list[Entry]:
        """Every run so far, in the order of beginning."""
        return self._entries("began")

    def ends(self) -> list[Entry]:
        """Every run that came to its end, in that order."""
        return self._entries("ended")

    def names(self) -> list[str]:
        """The name of every run so far."""
        return [entry.name for entry in self.entries()]

    def pids(self, name: str) -> list[int]:
        """The processes in which a task began, in that order."""
        return [entry.pid for entry in self.entries() if entry.name == name]

    def task(self) -> Callable[[str, float], str]:
        """A function that enters a name, takes so many seconds, and returns the name."""
        write = _writer(str(self.path))

        def enter(name: str, seconds: float) -> str:
            import time

            write(name, "began")
            time.sleep(seconds)
            write(name, "ended")
            return name

        return enter

    def held_task(self, wait: Callable[[], None] | None = None) -> Callable[[str, bool], tuple[str, int]]:
        """A function that enters a name, waits for `release` if it is `held`, and returns the name and its process.

        It looks whether it is released after every `wait`, which takes 20 ms unless it is given.
        """
        write, gate = _writer(str(self.path)), str(self._gate)

        def enter(name: str, held: bool) -> tuple[str, int]:
            import os
            import time

            write(name, "began")
            while held and not os.path.exists(gate):
                time.sleep(0.02) if wait is None else wait()
            write(name, "ended")
            return name, os.getpid()

        return enter

    def release(self) -> None:
        """Let held tasks end, those that have not begun too."""
        self._gate.touch()

    def _entries(self, event: str) -> list[Entry]:
        lines = self.path.read_text().splitlines() if self.path.exists() else []
        parts = [line.rsplit(" ", 3) for line in lines]
        return [Entry(name, int(pid)) for name, pid, _, what in parts if what == event]


def _writer(path: str) -> Callable[[str, str], None]:
    """Appends a line; a closure, so that it travels by value."""

    def write(name: str, event: str) -> None:
        import os
        import time

        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(descriptor, f"{name} {os.getpid()} {time.time()} {event}\n".encode())
        os.fsync(descriptor)
        os.close(descriptor)

    return write
