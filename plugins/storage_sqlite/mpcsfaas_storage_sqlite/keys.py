"""What the gateways know about API keys."""

import sqlite3

from mpcsfaas_storage_sqlite.transaction import Transaction, each


@each
def put_key(transaction: Transaction, key: tuple[str, bytes]) -> None:
    """See `Storage.put_key`."""
    transaction.execute("INSERT OR REPLACE INTO api_key (id, record) VALUES (?, ?)", *key)


@each
def list_keys(connection: sqlite3.Connection, _: None) -> dict[str, bytes]:
    """See `Storage.list_keys`."""
    return dict(connection.execute("SELECT id, record FROM api_key ORDER BY id").fetchall())


@each
def delete_key(transaction: Transaction, key_id: str) -> bool:
    """See `Storage.delete_key`."""
    deleted = transaction.connection.execute("DELETE FROM api_key WHERE id = ? RETURNING 1", (key_id,)).fetchall()
    return bool(deleted)
