"""The one thread that writes: group commit, and an eye on what other processes write."""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from time import monotonic

from mpcsfaas_storage_sqlite.lane import Call, Lane, News, answer, groups
from mpcsfaas_storage_sqlite.transaction import Effects, Transaction, next_ready_at

LOOK_INTERVAL = 0.02
"""Seconds between two looks at the counter of foreign commits, while somebody waits."""


class Writer(Lane):
    """All calls that wait share one transaction, and so one sync of the disk."""

    def __init__(
        self,
        name: str,
        connect: Callable[[], sqlite3.Connection],
        clock: Callable[[], float],
        max_unfinished: int,
        committed: Callable[[Effects, int | None], None],
    ) -> None:
        super().__init__(name, connect)
        self._clock = clock
        self._max_unfinished = max_unfinished
        self._committed = committed
        self._syncs = False
        self._watchers = 0
        self._next_look = 0.0
        self._foreign_version: int | None = None

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Tell of other processes' commits meanwhile."""
        self._watchers += 1
        if self._watchers == 1:
            self.nudge()
        try:
            yield
        finally:
            self._watchers -= 1

    # In the thread

    def transact(self, connection: sqlite3.Connection, calls: Sequence[Call]) -> Sequence[News]:
        """See `Lane`."""
        self._sync(connection, any(call.durable for call in calls))
        connection.execute("BEGIN IMMEDIATE")
        transaction = Transaction(connection, self._clock(), self._max_unfinished)
        for operation, group in groups(calls):
            answer(operation, transaction, group)
        transaction.save_counters()
        connection.execute("COMMIT")
        return [partial(self._committed, transaction.effects, transaction.next_ready_at)]

    def _sync(self, connection: sqlite3.Connection, durable: bool) -> None:
        if durable != self._syncs:
            connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            self._syncs = durable

    def pause(self) -> float | None:
        """See `Lane`."""
        return LOOK_INTERVAL if self._watchers else None

    def look(self, connection: sqlite3.Connection) -> Sequence[News]:
        """Find out, by a counter that only foreign commits change, whether there was any."""
        now = monotonic()
        if not self._watchers or now < self._next_look:
            return ()
        self._next_look = now + LOOK_INTERVAL / 2
        ((version,),) = connection.execute("PRAGMA data_version").fetchall()
        if version == self._foreign_version:
            return ()
        self._foreign_version = version
        return [partial(self._committed, Effects(work=True, completion=True), next_ready_at(connection))]


class Reader(Lane):
    """Reads from a snapshot of its own, so that it neither waits for the writer nor delays it."""

    def transact(self, connection: sqlite3.Connection, calls: Sequence[Call]) -> Sequence[News]:
        """See `Lane`."""
        connection.execute("BEGIN")
        for operation, group in groups(calls):
            answer(operation, connection, group)
        connection.execute("COMMIT")
        return ()
