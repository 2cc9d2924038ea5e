"""What runs in the worker for `Executor.map` with a `chunksize`; it imports nothing."""

from collections.abc import Callable
from typing import Any


def run_chunk(function: Callable[..., Any], calls: list[tuple[Any, ...]]) -> list[Any]:
    """Call `function` with each tuple of arguments, one after the other."""
    return [function(*args) for args in calls]
