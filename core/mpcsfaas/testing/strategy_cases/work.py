"""The functions that the strategy contract has run. Workers import this module, so it imports next to nothing."""

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path


def double(number: int) -> int:
    """Twice the number."""
    return 2 * number


async def double_later(number: int) -> int:
    """As `double`, for those who await it."""
    return 2 * number


def hold(mark: str, until: str, patience: float) -> str:
    """Write this process's id to the file `mark`, and wait for the file `until`. Raises `TimeoutError`."""
    unfinished = Path(f"{mark}.unfinished")
    unfinished.write_text(str(os.getpid()))
    unfinished.rename(mark)  # So that whoever finds the mark finds all of it.
    end = time.monotonic() + patience
    while not Path(until).exists():
        if time.monotonic() > end:
            raise TimeoutError(f"{until} did not appear within {patience:g} s")
        time.sleep(0.005)
    return mark


def span() -> tuple[float, float]:
    """When it began and ended, as the machine's monotonic clock tells."""
    began = time.monotonic()
    time.sleep(0.01)
    return began, time.monotonic()


def fail(text: str) -> None:
    """Raise `ValueError`."""
    raise ValueError(text)


def leave(code: int) -> None:
    """Raise `SystemExit`."""
    sys.exit(code)


def interrupt() -> None:
    """Raise `KeyboardInterrupt`."""
    raise KeyboardInterrupt


def cannot_travel() -> Iterator[None]:
    """Return a generator, which no serializer carries."""
    return (None for _ in "one")


def exit_hard() -> None:
    """End this process with no word."""
    os._exit(3)


def be_killed() -> None:
    """End this process by a signal that it cannot catch."""
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)
