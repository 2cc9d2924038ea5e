"""The attempts that wait for a slot: for each tenant a queue, first in, first out."""

from collections import defaultdict, deque
from collections.abc import Collection, Iterable, Iterator, Sequence

from mpcsfaas.model import AttemptKey
from mpcsfaas.worker.slot import Entry


class Backlog:
    """Entries in the order in which their turn comes. With one tenant, it is a queue and costs no more."""

    def __init__(self) -> None:
        self._queues: defaultdict[str, deque[Entry]] = defaultdict(deque)  # none of them empty

    def __len__(self) -> int:
        return sum(map(len, self._queues.values()))

    def __bool__(self) -> bool:
        return bool(self._queues)

    def __iter__(self) -> Iterator[Entry]:
        return (entry for queue in self._queues.values() for entry in queue)

    @property
    def waiting(self) -> dict[str, int]:
        """How many entries each tenant has that has any."""
        return {tenant: len(queue) for tenant, queue in self._queues.items()}

    def oldest(self) -> Entry | None:
        """The one that was handed over first."""
        return min((queue[0] for queue in self._queues.values()), key=_turn, default=None)

    def is_only_of(self, tenant: str | None) -> bool:
        """Whether all is of this tenant, and there is something."""
        return len(self._queues) == 1 and tenant in self._queues

    def append(self, entries: Iterable[Entry]) -> None:
        """Let entries wait behind those that are here."""
        for entry in entries:
            self._queues[entry.tenant].append(entry)

    def put_back(self, entries: Sequence[Entry]) -> None:
        """Let entries wait again, before those that are here and in the order given."""
        for entry in reversed(entries):
            self._queues[entry.tenant].appendleft(entry)

    def pop(self, tenant: str) -> Entry:
        """Take out the first of a tenant that has some."""
        queue = self._queues[tenant]
        entry = queue.popleft()
        if not queue:
            del self._queues[tenant]
        return entry

    def remove(self, keys: Collection[AttemptKey]) -> None:
        """Forget these, if they are here."""
        kept = [entry for entry in self if entry.key not in keys]
        self._queues.clear()
        self.append(kept)

    def clear(self) -> list[AttemptKey]:
        """Forget all; they are returned."""
        keys = [entry.key for entry in self]
        self._queues.clear()
        return keys


def _turn(entry: Entry) -> int:
    return entry.turn
