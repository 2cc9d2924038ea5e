"""What takes long, done beside the event loop: pressing the log onto the disk, and folding it back into the file."""

import asyncio
import os
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path

FOLD_INTERVAL = 2.0
"""Seconds of writing after which the log is folded back."""

Settle = Callable[[OSError | None], None]
"""Told that everything written before is on the disk, or why it may not be."""


class Disk:
    """The write-ahead log of one file.

    A sync covers all that was written before it began; what comes meanwhile shares the next one. This gives SQLite's
    `synchronous = FULL`, group commit included, without its wait inside the transaction: a change may be seen by others
    up to one sync before it is safe from a power cut, but nobody is told that it is done.
    """

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="mpcsfaas-sqlite")
        self._waiting: list[Settle] = []
        self._syncing: asyncio.Task[None] | None = None
        self._folding: asyncio.Future[None] | None = None
        self._fold_at = 0.0
        self._log: int | None = None

    def start(self, path: Path) -> None:
        """Begin with the file at `path`, once it has a log. Raises OSError."""
        self._loop = asyncio.get_running_loop()
        self._path = path
        self._fold_at = self._loop.time() + FOLD_INTERVAL
        self._log = os.open(path.with_name(f"{path.name}-wal"), os.O_RDONLY | os.O_CLOEXEC)
        _press_folder(path.parent)

    async def stop(self) -> None:
        """Finish what is under way. Idempotent."""
        pending = [work for work in (self._syncing, self._folding) if work]
        await asyncio.gather(*pending, return_exceptions=True)
        await asyncio.to_thread(self._threads.shutdown)
        if self._log is not None:
            os.close(self._log)
            self._log = None

    def sync(self, settle: Settle) -> None:
        """Call `settle` once what has been written is on the disk."""
        self._waiting.append(settle)
        if self._syncing is None:
            self._syncing = self._loop.create_task(self._sync_while_waiting())

    def fold_if_due(self, connection: sqlite3.Connection) -> None:
        """Fold the log back into the file every now and then, for a long one is slow to read, and takes room.

        The bulk is done in a thread, which cannot keep up with a writer; the short rest then with `connection`, so that
        the next change starts the log anew. Its file keeps its size: to overwrite is quicker to sync than to append.
        """
        if self._folding is None and self._loop.time() >= self._fold_at:
            self._folding = self._loop.run_in_executor(self._threads, _fold, self._path)
            self._folding.add_done_callback(lambda _: self._folded(connection))

    async def _sync_while_waiting(self) -> None:
        while self._waiting:
            covered, self._waiting = self._waiting, []
            error = await self._loop.run_in_executor(self._threads, self._press)
            for settle in covered:
                settle(error)
        self._syncing = None

    def _press(self) -> OSError | None:
        assert self._log is not None
        try:
            os.fdatasync(self._log)
        except OSError as error:
            return error
        return None

    def _folded(self, connection: sqlite3.Connection) -> None:
        _checkpoint(connection)
        self._folding = None
        self._fold_at = self._loop.time() + FOLD_INTERVAL


def _fold(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        _checkpoint(connection)


def _checkpoint(connection: sqlite3.Connection) -> None:
    # Where it is busy, closed, or has no room just now, the next one tries again.
    with suppress(sqlite3.Error):
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()


def _press_folder(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
