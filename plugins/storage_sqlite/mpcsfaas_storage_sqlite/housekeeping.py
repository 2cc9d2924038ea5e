"""What is old goes; who is there reports."""

import sqlite3
from collections import Counter
from collections.abc import Sequence

import msgspec

from mpcsfaas.model import DispatcherInfo
from mpcsfaas_storage_sqlite.rows import many, micros, read
from mpcsfaas_storage_sqlite.transaction import Transaction, each


class _Due(msgspec.Struct, array_like=True):
    position: int
    phase: int


class _Info(msgspec.Struct, array_like=True):
    info: str


SELECT_DUE = """
    SELECT position, phase FROM outcome JOIN task USING (position)
    WHERE expired = ? AND drop_at <= ? ORDER BY drop_at LIMIT ?
"""
SELECTED = "position IN (SELECT value FROM json_each(?))"
UPDATE_EXPIRED = f"""
    UPDATE outcome SET expired = 1, drop_at = ? + (SELECT ttl FROM task WHERE task.position = outcome.position),
        sequence = NULL, failure = NULL, history = '', value = x'', stdout = '', stderr = ''
    WHERE {SELECTED}
"""


@each
def expire(transaction: Transaction, limit: int) -> int:
    """See `Storage.expire`."""
    forgotten = read(transaction.connection, _Due, SELECT_DUE, 1, transaction.now, limit)
    if forgotten:
        _forget(transaction, forgotten)
    expired = read(transaction.connection, _Due, SELECT_DUE, 0, transaction.now, limit)
    if expired:
        _drop(transaction, many(row.position for row in expired))
    return len(expired)


def _forget(transaction: Transaction, rows: Sequence[_Due]) -> None:
    positions = many(row.position for row in rows)
    transaction.execute(f"DELETE FROM task WHERE {SELECTED}", positions)
    transaction.execute(f"DELETE FROM outcome WHERE {SELECTED}", positions)
    for phase, number in Counter(row.phase for row in rows).items():
        transaction.counters.add(phase, -number)


def _drop(transaction: Transaction, positions: str) -> None:
    transaction.execute(UPDATE_EXPIRED, transaction.now, positions)
    transaction.execute(f"UPDATE task SET holder = NULL WHERE holder IS NOT NULL AND {SELECTED}", positions)
    transaction.execute(f"DELETE FROM payload WHERE {SELECTED}", positions)


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
