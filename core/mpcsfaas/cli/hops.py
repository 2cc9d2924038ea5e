"""Where a task's time went, hop by hop, from the moments in its record."""

from collections.abc import Iterable, Iterator
from itertools import pairwise
from statistics import median
from typing import NamedTuple

from mpcsfaas.model import AttemptRecord, TaskRecord

HOPS = {
    "queued": "from the acceptance to a dispatcher's claim",
    "sent": "to the hand-over to a worker's process",
    "started": "to the beginning in that process",
    "ran": "to the end of the function",
    "stored": "until the result was kept",
}
"""The hops in order, each until the moment after which it is named."""

ATTEMPT_HOPS = ("sent", "started", "ran")
"""Those within one attempt."""


class Hop(NamedTuple):
    """A part of a task's way; never shorter than nothing, though clocks of two machines may say so."""

    name: str
    seconds: float


def attempt_hops(attempt: AttemptRecord) -> list[Hop]:
    """The hops within an attempt; those of which a moment is not known are left out."""
    moments = (attempt.claimed_at, attempt.sent_at, attempt.started_at, attempt.finished_at)
    return list(_between(ATTEMPT_HOPS, moments))


def task_hops(record: TaskRecord) -> list[Hop]:
    """The hops of a task's last attempt, from the task's acceptance to its end."""
    last = record.history[-1]
    moments = (record.created_at, last.claimed_at, last.sent_at, last.started_at, last.finished_at, record.finished_at)
    return list(_between(HOPS, [moment or 0.0 for moment in moments]))


def median_hops(records: Iterable[TaskRecord]) -> list[Hop]:
    """The median of each hop over tasks that have ended."""
    seconds: dict[str, list[float]] = {}
    for record in records:
        for hop in task_hops(record):
            seconds.setdefault(hop.name, []).append(hop.seconds)
    return [Hop(name, median(seconds[name])) for name in HOPS if name in seconds]


def _between(names: Iterable[str], moments: Iterable[float]) -> Iterator[Hop]:
    for name, (before, after) in zip(names, pairwise(moments), strict=True):
        if before and after:
            yield Hop(name, max(0.0, after - before))
