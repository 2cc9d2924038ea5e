"""What is old goes; who is there reports."""

import sqlite3

import msgspec

from mpcsfaas.model import DispatcherInfo
from mpcsfaas_storage_sqlite.rows import many, micros, read
from mpcsfaas_storage_sqlite.schema import STATES
from mpcsfaas_storage_sqlite.transaction import Transaction, each


class _Due(msgspec.Struct, array_like=True):
    position: int
    phase: int


class _Info(msgspec.Struct, array_like=True):
    info: str


SELECT_DUE = "SELECT position, phase FROM task WHERE expired = ? AND drop_at <= ? ORDER BY drop_at LIMIT ?"
SELECTED = "position IN (SELECT value FROM json_each(?))"


@each
def expire(transaction: Transaction, limit: int) -> int:
    """See `Storage.expire`."""
    forgotten = read(transaction.connection, _Due, SELECT_DUE, 1, transaction.now, limit)
    if forgotten:
        transaction.execute(f"DELETE FROM task WHERE {SELECTED}", many(row.position for row in forgotten))
        for row in forgotten:
            transaction.counters.add(STATES[row.phase], -1)
    expired = read(transaction.connection, _Due, SELECT_DUE, 0, transaction.now, limit)
    if expired:
        _drop(transaction, many(row.position for row in expired))
    return len(expired)


def _drop(transaction: Transaction, positions: str) -> None:
    transaction.execute(
        f"UPDATE task SET expired = 1, drop_at = ? + ttl, sequence = NULL, holder = NULL WHERE {SELECTED}",
        transaction.now,
        positions,
    )
    transaction.execute(f"DELETE FROM payload WHERE {SELECTED}", positions)
    transaction.execute(f"DELETE FROM outcome WHERE {SELECTED}", positions)


@each
def report_dispatcher(transaction: Transaction, info: DispatcherInfo) -> None:
    """See `Storage.report_dispatcher`."""
    transaction.execute("DELETE FROM dispatcher WHERE expires_at <= ?", transaction.now)
    transaction.execute(
        "INSERT OR REPLACE INTO dispatcher (id, expires_at, info) VALUES (?, ?, ?)",
        info.id,
        micros(info.expires_at),
        msgspec.json.encode(info).decode(),
    )


@each
def remove_dispatcher(transaction: Transaction, dispatcher_id: str) -> None:
    """See `Storage.remove_dispatcher`."""
    transaction.execute("DELETE FROM dispatcher WHERE id = ?", dispatcher_id)


@each
def dispatchers(connection: sqlite3.Connection, now: float) -> list[DispatcherInfo]:
    """See `Storage.dispatchers`."""
    query = "SELECT info FROM dispatcher WHERE expires_at > ? ORDER BY id"
    return [msgspec.json.decode(row.info, type=DispatcherInfo) for row in read(connection, _Info, query, micros(now))]
