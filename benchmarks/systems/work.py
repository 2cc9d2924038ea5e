"""What the systems are given to do; importable by their workers."""

import time
from collections.abc import Callable
from typing import Any

Function = Callable[[Any], Any]


def noop(number: int = 0) -> int:
    """Do nothing."""
    return number


def echo(data: bytes) -> bytes:
    """Give back what came."""
    return data


FUNCTIONS: tuple[Function, ...] = (noop, echo)
"""Those that every system is measured by."""


def sleep(seconds: float) -> None:
    """Keep a worker process busy without using a core."""
    time.sleep(seconds)
