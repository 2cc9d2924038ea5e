"""Long batches in parts, none of which keeps the server busy for long."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")

SLICE = 500
"""Items that one script is given: some milliseconds of the server's time."""

LARGEST_COMMAND = 8 * 1024 * 1024
"""Bytes after which a command gets no further item."""


def slices(items: Sequence[T], size_of: Callable[[T], int] = lambda _: 0) -> Iterator[Sequence[T]]:
    """The items in order, in parts that are bounded in number and, by `size_of`, in bytes."""
    start = size = 0
    for index, item in enumerate(items):
        if index - start == SLICE or size > LARGEST_COMMAND:
            yield items[start:index]
            start, size = index, 0
        size += size_of(item)
    if start < len(items):
        yield items[start:]
