"""Which worker comes next: a heap with lazy deletion, so that a thousand workers cost little. Pure."""

from enum import StrEnum
from heapq import heapify, heappop, heappush
from typing import TypeAlias

Score: TypeAlias = tuple[int, int]
"""The worker with the least comes first."""


class Policy(StrEnum):
    """How a worker is chosen among those that have room and the task's labels."""

    MOST_FREE = "most_free"
    """The one with most free processes."""
    LEAST_RECENTLY_USED = "least_recently_used"
    """The one that has waited longest for a task."""
    FUNCTION_AFFINITY = "function_affinity"
    """The one that ran this function last, while it has a free process; else the one with most of them."""


class Ranking:
    """Workers by score. What the heap holds of a worker beside its present score is stale, and skipped."""

    def __init__(self) -> None:
        self._scores: dict[str, Score] = {}
        self._heap: list[tuple[Score, str]] = []

    def __len__(self) -> int:
        return len(self._scores)

    def put(self, worker_id: str, score: Score) -> None:
        """Add a worker, or move it."""
        if self._scores.get(worker_id) == score:
            return
        self._scores[worker_id] = score
        heappush(self._heap, (score, worker_id))
        if len(self._heap) > 64 + 4 * len(self._scores):
            self._heap = [(score, worker_id) for worker_id, score in self._scores.items()]
            heapify(self._heap)

    def remove(self, worker_id: str) -> None:
        """Take a worker out; an unknown one is ignored."""
        self._scores.pop(worker_id, None)

    def first(self) -> tuple[Score, str] | None:
        """The worker with the least score, and that score; None if there is nobody."""
        while self._heap:
            score, worker_id = self._heap[0]
            if self._scores.get(worker_id) == score:
                return self._heap[0]
            heappop(self._heap)
        return None
