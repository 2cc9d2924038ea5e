"""Work on many ids: in batches that a gateway answers quickly, with a progress bar for whoever looks."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from mpcsfaas.client.progress import ProgressBar

T = TypeVar("T")

BATCH = 500
"""Ids of a request. What fits into one is done at once, without a bar."""


def in_batches(ids: Sequence[str], perform: Callable[[Sequence[str]], Iterable[T]]) -> list[T]:
    """What `perform` gives for each id, in order; it is called with up to `BATCH` of them at a time."""
    answers: list[T] = []
    with bar_for(len(ids)) as bar:
        for start in range(0, len(ids), BATCH):
            batch = ids[start : start + BATCH]
            answers += perform(batch)
            for _ in batch:
                bar.advance()
    return answers


def bar_for(count: int | None) -> ProgressBar:
    """A bar for so many steps, on a terminal; none if they are few, or if it is not known how many."""
    return ProgressBar(count, None if count is not None and count > BATCH else False)
