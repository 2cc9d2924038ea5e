"""What is done with functions."""

import sqlite3

import msgspec

from mpcsfaas.interfaces.storage import Page
from mpcsfaas.model import Function
from mpcsfaas_storage_sqlite.rows import read, read_one
from mpcsfaas_storage_sqlite.transaction import Transaction, each


class _Known(msgspec.Struct, array_like=True):
    number: int
    deleted: int


class _Listed(msgspec.Struct, array_like=True):
    number: int
    head: str


@each
def put_function(transaction: Transaction, function: Function) -> bool:
    """See `Storage.put_function`."""
    known = _find(transaction.connection, function.id)
    if known and not known.deleted:
        return False
    head = msgspec.msgpack.encode(msgspec.structs.replace(function, payload=b""))
    transaction.execute(
        """
        INSERT INTO function (id, deleted, head, payload) VALUES (?, 0, ?, ?)
        ON CONFLICT (id) DO UPDATE SET deleted = 0, head = excluded.head, payload = excluded.payload
        """,
        function.id,
        head,
        function.payload,
    )
    transaction.counters.functions += 1
    return True


@each
def delete_function(transaction: Transaction, function_id: str) -> bool:
    """See `Storage.delete_function`."""
    known = _find(transaction.connection, function_id)
    if known is None or known.deleted:
        return False
    transaction.execute("UPDATE function SET deleted = 1 WHERE number = ?", known.number)
    transaction.counters.functions -= 1
    return True


@each
def get_function(connection: sqlite3.Connection, question: tuple[str, bool]) -> Function | None:
    """See `Storage.get_function`."""
    found = connection.execute("SELECT head, payload FROM function WHERE id = ? AND deleted <= ?", question).fetchall()
    if not found:
        return None
    head, payload = found[0]
    return msgspec.structs.replace(msgspec.msgpack.decode(head, type=Function), payload=payload)


@each
def list_functions(connection: sqlite3.Connection, question: tuple[int, int]) -> Page[Function]:
    """See `Storage.list_functions`. The cursor is the number of the last function given."""
    after, limit = question
    rows = read(
        connection,
        _Listed,
        "SELECT number, hex(head) AS head FROM function WHERE number > ? AND deleted = 0 ORDER BY number LIMIT ?",
        after,
        limit + 1,
    )
    functions = [msgspec.msgpack.decode(bytes.fromhex(row.head), type=Function) for row in rows[:limit]]
    return Page(functions, str(rows[limit - 1].number) if len(rows) > limit else None)


def _find(connection: sqlite3.Connection, function_id: str) -> _Known | None:
    return read_one(connection, _Known, "SELECT number, deleted FROM function WHERE id = ?", function_id)
