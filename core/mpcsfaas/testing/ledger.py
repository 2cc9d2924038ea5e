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
    """A file to which tasks append, each entry durable before the task goes on."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def entries(self) -> list[Entry]:
        """Every run so far, in the order of beginning."""
        lines = self.path.read_text().splitlines() if self.path.exists() else []
        return [Entry(name, int(pid)) for name, _, pid in (line.rpartition(" ") for line in lines)]

    def names(self) -> list[str]:
        """The name of every run so far."""
        return [entry.name for entry in self.entries()]

    def task(self) -> Callable[[str, float], str]:
        """A function that enters a name, takes so many seconds, and returns the name."""
        path = str(self.path)

        def enter(name: str, seconds: float) -> str:
            import os
            import time

            descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
            os.write(descriptor, f"{name} {os.getpid()}\n".encode())
            os.fsync(descriptor)
            os.close(descriptor)
            time.sleep(seconds)
            return name

        return enter
