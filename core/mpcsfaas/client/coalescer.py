"""Forms batches of what has piled up. Pure: no clock, no threads, no waiting for more."""

from collections.abc import Iterable
from typing import NamedTuple

from mpcsfaas.client.operations import MAX_BATCH_BYTES, MAX_BATCH_ITEMS, size_of
from mpcsfaas.client.session import NewTask


class Batch(NamedTuple):
    """What goes to the gateway next: first the tasks, then the cancellations, which are of earlier tasks."""

    tasks: list[NewTask]
    cancellations: list[str]


class Coalescer:
    """Keeps the order of tasks. A task that is cancelled before it was handed out is never sent."""

    def __init__(self, max_items: int = MAX_BATCH_ITEMS, max_bytes: int = MAX_BATCH_BYTES) -> None:
        self._max_items = max_items
        self._max_bytes = max_bytes
        self._tasks: dict[str, NewTask] = {}
        self._cancellations: list[str] = []

    def __bool__(self) -> bool:
        return bool(self._tasks or self._cancellations)

    def add(self, task: NewTask) -> None:
        """Take in a task."""
        self._tasks[task.id] = task

    def cancel(self, task_id: str) -> None:
        """Forget a task that is still here, or pass its cancellation on."""
        if self._tasks.pop(task_id, None) is None:
            self._cancellations.append(task_id)

    def next_batch(self) -> Batch:
        """Hand out what is here, up to the limits; a task over the limit of bytes goes alone."""
        tasks = self._take(self._within_limits())
        cancellations, self._cancellations = self._cancellations, []
        return Batch(tasks, cancellations)

    def take_all(self) -> list[NewTask]:
        """Hand out every task at once, to be given up."""
        return self._take(list(self._tasks))

    def _take(self, task_ids: Iterable[str]) -> list[NewTask]:
        return [self._tasks.pop(task_id) for task_id in task_ids]

    def _within_limits(self) -> list[str]:
        chosen: list[str] = []
        size = 0
        for task_id, task in self._tasks.items():
            size += size_of(task)
            if len(chosen) == self._max_items or (chosen and size > self._max_bytes):
                break
            chosen.append(task_id)
        return chosen
