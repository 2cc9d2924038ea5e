"""What the systems are given to do; importable by their workers."""

import time


def noop(number: int = 0) -> int:
    """Do nothing."""
    return number


def echo(data: bytes) -> bytes:
    """Give back what came."""
    return data


def sleep(seconds: float) -> None:
    """Keep a worker process busy without using a core."""
    time.sleep(seconds)
