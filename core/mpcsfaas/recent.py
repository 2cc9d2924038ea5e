"""What a storage knows to have just ended, so that its readers need not ask for it. Pure: no clock, no I/O.

Nearly every question is about what was written a moment ago, by this process or one that told of it. Whatever is not
known here for certain is left to the file or the server. Times are by the storage's clock, in its unit.
"""

from collections import OrderedDict, deque
from collections.abc import Iterable
from itertools import islice
from typing import NamedTuple

from mpcsfaas.interfaces.storage import Completion
from mpcsfaas.model import TaskResult

MOST = 10_000
"""Ended tasks that are kept."""
MOST_BYTES = 16 * 1024 * 1024
"""Bytes of results that are kept."""


class Ended(NamedTuple):
    """A task that has ended for good; `drop_at` is when its result may go."""

    completion: Completion
    result: TaskResult
    drop_at: float

    @property
    def size(self) -> int:
        """About how many bytes the result takes, a failure's traceback included."""
        failure = self.result.failure
        return len(self.result.value) + (len(failure.message) + len(failure.traceback) if failure else 0)


class Recent:
    """The latest ended tasks: results by id, and the end of the feed as far as it has no gap."""

    def __init__(self, most: int = MOST, most_bytes: int = MOST_BYTES) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._results: OrderedDict[str, Ended] = OrderedDict()
        self._bytes = 0
        self._feed: deque[Ended] = deque(maxlen=most)
        self.interruptions = 0
        """How often it was heard that another process wrote."""

    def add(self, ended: Iterable[Ended], interruptions: int | None = None) -> None:
        """These are durable now, in the order of their sequence.

        `interruptions` is how many there had been when these were written. If there were more since, others may stand
        behind these of which was told already: then the feed does not begin with them.
        """
        is_certain = interruptions in (None, self.interruptions)
        for item in ended:
            if self._feed and item.completion.sequence != self._feed[-1].completion.sequence + 1:
                self._feed.clear()
            if is_certain:
                self._feed.append(item)
            self._results[item.completion.task_id] = item
            self._bytes += item.size
        while len(self._results) > self._most or self._bytes > self._most_bytes:
            _, oldest = self._results.popitem(last=False)
            self._bytes -= oldest.size

    def others_wrote(self) -> None:
        """Another process wrote: the feed may go on behind what is known here."""
        self.interruptions += 1
        self._feed.clear()

    def results(self, task_ids: Iterable[str], now: float) -> dict[str, TaskResult]:
        """Those that are known and not due to go."""
        found = ((task_id, self._results.get(task_id)) for task_id in task_ids)
        return {task_id: item.result for task_id, item in found if item and now < item.drop_at}

    def is_latest(self, sequence: int) -> bool:
        """Whether, as far as has been heard, this is the last of the feed."""
        return bool(self._feed) and self._feed[-1].completion.sequence == sequence

    def completions(self, after: int, limit: int, now: float) -> list[Completion]:
        """The feed after a sequence; nothing if that is not known for certain."""
        if not self._feed:
            return []
        number = self._feed[-1].completion.sequence - after
        if not 0 < number <= len(self._feed):
            return []
        latest = list(islice(reversed(self._feed), number))  # Who asks is seldom far behind.
        found = latest[::-1][:limit]
        return [item.completion for item in found] if all(now < item.drop_at for item in found) else []
