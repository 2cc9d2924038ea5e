"""The connection that writes, with group commit and an eye on what other processes write, and the one that reads."""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial

from mpcsfaas.errors import StorageUnavailable
from mpcsfaas.recent import Ended
from mpcsfaas_storage_sqlite.disk import Disk
from mpcsfaas_storage_sqlite.lane import Call, Lane, News, answer, groups
from mpcsfaas_storage_sqlite.transaction import Effects, Transaction, next_ready_at

LOOK_INTERVAL = 0.02
"""Seconds between two looks at the counter of foreign commits, while somebody waits."""

Committed = Callable[[Effects, int | None], None]
"""Told what a commit did, and when the first of the delayed tasks becomes ready."""


class Writer(Lane):
    """All calls that wait share one transaction, and so one sync of the disk."""

    def __init__(
        self,
        name: str,
        patience: float,
        clock: Callable[[], float],
        max_unfinished: int,
        disk: Disk,
        committed: Committed,
        ended: Callable[[Sequence[Ended]], News],
    ) -> None:
        super().__init__(name, patience)
        self._clock = clock
        self._max_unfinished = max_unfinished
        self._disk = disk
        self._committed = committed
        self._ended = ended
        self._watchers = 0
        self._look: asyncio.TimerHandle | None = None
        self._foreign_version: int | None = None

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Tell of other processes' commits meanwhile."""
        self._watchers += 1
        if self._look is None:
            self._look_for_foreign_commits()
        try:
            yield
        finally:
            self._watchers -= 1

    def transact(self, calls: Sequence[Call]) -> News | None:
        """See `Lane`. Those who wait for work are told at once: what they do can overlap with the sync."""
        self.connection.execute("BEGIN IMMEDIATE")
        transaction = Transaction(self.connection, self._clock(), self._max_unfinished)
        for operation, group in groups(calls):
            answer(operation, transaction, group)
        transaction.save_counters()
        self.connection.execute("COMMIT")
        self._disk.fold_if_due(self.connection)
        effects = transaction.effects
        self._committed(Effects(work=effects.work, fenced=effects.fenced), transaction.next_ready_at)
        return self._ended(effects.ended) if effects.ended else None

    def settle(self, calls: Sequence[Call], news: News | None) -> None:
        """See `Lane`. What must last is settled once it is on the disk."""
        durable = [call for call in calls if call.durable]
        super().settle([call for call in calls if not call.durable], None if durable else news)
        if durable:
            self._disk.sync(partial(self._synced, durable, news))

    def _synced(self, calls: Sequence[Call], news: News | None, error: OSError | None) -> None:
        if error is not None:
            for call in calls:
                call.outcome = StorageUnavailable(f"{self.name}: the disk failed: {error}; look at the system's log")
        super().settle(calls, news)

    def _look_for_foreign_commits(self) -> None:
        """Look, for as long as somebody watches, at a counter that only foreign commits change."""
        self._look = None
        if not self._watchers or self._closing:
            return
        self._look = self._loop.call_later(LOOK_INTERVAL, self._look_for_foreign_commits)
        with suppress(sqlite3.Error):
            ((version,),) = self.connection.execute("PRAGMA data_version").fetchall()
            if version != self._foreign_version:
                self._foreign_version = version
                self._committed(Effects(work=True, completion=True), next_ready_at(self.connection))


class Reader(Lane):
    """Reads from a snapshot of its own."""

    def transact(self, calls: Sequence[Call]) -> None:
        """See `Lane`."""
        self.connection.execute("BEGIN")
        for operation, group in groups(calls):
            answer(operation, self.connection, group)
        self.connection.execute("COMMIT")
