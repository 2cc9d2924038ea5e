"""Many rows in one step.

Each step of a statement costs Python's sqlite3 about as much as the row itself, with the interpreter lock given up and
taken back around it. So every batch is one statement with one row of JSON, whatever its size.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import Any, TypeVar

import msgspec

Row = TypeVar("Row", bound=msgspec.Struct)

INLINE = 16_384
"""Bytes up to which a blob travels within the JSON, as hexadecimal digits; a larger one is fetched by itself."""

LARGEST_INSERT = 256
FAR_FUTURE = 10**17
"""Some three thousand years, in microseconds: all that is later is as good as never."""


def read(connection: sqlite3.Connection, row_type: type[Row], query: str, *parameters: object) -> list[Row]:
    """Every row of `query`, whose columns have the names and order of the fields of `row_type`."""
    statement, decoder = _compiled(row_type, query)
    ((text,),) = connection.execute(statement, parameters).fetchall()
    rows: list[Row] = decoder.decode(text)
    return rows


def read_one(connection: sqlite3.Connection, row_type: type[Row], query: str, *parameters: object) -> Row | None:
    """The only row of `query`, or None."""
    rows = read(connection, row_type, query, *parameters)
    return rows[0] if rows else None


@cache
def _compiled(row_type: Any, query: str) -> tuple[str, msgspec.json.Decoder[Any]]:
    columns = ", ".join(row_type.__struct_fields__)
    statement = f"SELECT json_group_array(json_array({columns})) FROM ({query})"
    return statement, msgspec.json.Decoder(list[row_type])


def many(values: Iterable[object]) -> str:
    """A parameter for `IN (SELECT value FROM json_each(?))`."""
    return msgspec.json.encode(list(values)).decode()


def inline(column: str) -> str:
    """The SQL for a blob that travels within the JSON if it is small, and is null otherwise."""
    return f"CASE WHEN length({column}) <= {INLINE} THEN hex({column}) END"


def blob(connection: sqlite3.Connection, inlined: str | None, table: str, column: str, position: int) -> bytes:
    """The blob itself, given what `inline` made of it."""
    if inlined is not None:
        return bytes.fromhex(inlined)
    ((value,),) = connection.execute(f"SELECT {column} FROM {table} WHERE position = ?", (position,)).fetchall()
    return bytes(value)


def execute_values(connection: sqlite3.Connection, statement: str, rows: Sequence[Sequence[object]]) -> None:
    """Run `statement`, in which `(VALUES)` stands for the rows. All rows have the same width."""
    for part in _parts(rows):
        sql = _with_values(statement, len(part), len(part[0]))
        connection.execute(sql, [value for row in part for value in row])


def _parts(rows: Sequence[Sequence[object]]) -> Iterator[Sequence[Sequence[object]]]:
    """Parts of few different lengths, so that SQLite's compiled statements are used again."""
    start, size = 0, LARGEST_INSERT
    while start < len(rows):
        while size > len(rows) - start:
            size //= 2
        yield rows[start : start + size]
        start += size


@cache
def _with_values(statement: str, count: int, width: int) -> str:
    row = f"({', '.join('?' * width)})"
    return statement.replace("(VALUES)", f"VALUES {', '.join([row] * count)}")


def micros(seconds: float) -> int:
    """Seconds as whole microseconds, never more than `FAR_FUTURE`."""
    return round(min(seconds * 1e6, FAR_FUTURE))


def seconds(micros: int) -> float:
    """Whole microseconds as seconds."""
    return micros / 1e6
