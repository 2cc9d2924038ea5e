"""What there is room for: in the queue, and beside what runs."""

import heapq
from collections import Counter
from collections.abc import Collection, Iterable, Iterator

from mpcsfaas.errors import QueueFull, QuotaExceeded
from mpcsfaas.model import State, Task
from mpcsfaas_storage_memory.entry import Entry


def check_room(entries: Collection[Entry], wanted: Collection[Task], limit: int) -> None:
    """Raises `QueueFull` or `QuotaExceeded` if these tasks cannot be accepted beside what is there."""
    if len(entries) + len(wanted) > limit:
        unfinished = sum(not entry.state.is_terminal for entry in entries)
        if unfinished + len(wanted) > limit:
            raise QueueFull(f"{unfinished} tasks are unfinished and {limit} is the limit; try again later")
    quotas = {task.quota for task in wanted if task.quota}
    if not quotas:
        return
    queued = number_by_owner(entry for entry in entries if entry.state is State.QUEUED)
    queued.update(task.quota.owner for task in wanted if task.quota)
    for quota in quotas:
        if quota.max_queued is not None and queued[quota.owner] > quota.max_queued:
            raise QuotaExceeded(quota.owner, quota.max_queued)


def number_by_owner(entries: Iterable[Entry]) -> Counter[str]:
    """How many of these each owner has."""
    return Counter(entry.task.quota.owner for entry in entries if entry.task.quota)


def in_order(entries: Iterable[Entry]) -> Iterator[Entry]:
    """In the order of claims."""
    heap = [(-entry.task.options.priority, entry.position, entry) for entry in entries]
    heapq.heapify(heap)
    while heap:
        yield heapq.heappop(heap)[-1]


def not_held(entries: Iterable[Entry], running: Counter[str]) -> Iterator[Entry]:
    """Those that may start, one after the other, if `running` of each owner run now."""
    for entry in entries:
        quota = entry.task.quota
        if quota is None:
            yield entry
        elif quota.max_running is None or running[quota.owner] < quota.max_running:
            running[quota.owner] += 1
            yield entry
