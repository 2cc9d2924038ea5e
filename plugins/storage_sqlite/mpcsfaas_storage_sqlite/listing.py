"""Listings, newest first, whose every page costs the same however many tasks there are."""

import sqlite3
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from mpcsfaas.interfaces.storage import Page, TaskFilter
from mpcsfaas.model import State, TaskRecord
from mpcsfaas_storage_sqlite.records import SELECT_RECORD, RecordRow
from mpcsfaas_storage_sqlite.rows import read, read_one
from mpcsfaas_storage_sqlite.schema import CANCELLED, COMPLETED, DELAYED, FAILED, RUNNING
from mpcsfaas_storage_sqlite.transaction import each

LARGEST_SCAN = 10_000
"""Tasks looked at for one page. With two filters at once, a page may be short of items and yet have a cursor."""

LAST_POSITION = 1 << 62

OF_STATE = {
    State.QUEUED: f"phase <= {DELAYED}",
    State.RUNNING: f"phase = {RUNNING}",
    State.COMPLETED: f"phase = {COMPLETED}",
    State.FAILED: f"phase = {FAILED}",
    State.CANCELLED: f"phase = {CANCELLED}",
}
OF_FUNCTION = "function = (SELECT number FROM function WHERE id = ?)"
OF_GROUP = "task.group_name = ?"

RARE = frozenset({State.RUNNING, State.FAILED, State.CANCELLED})
"""States whose index is the shorter way than the function's."""


class Listing(NamedTuple):
    """The arguments of `list_tasks`."""

    criteria: TaskFilter
    before: int
    limit: int


class _Position(msgspec.Struct, array_like=True):
    position: int


@dataclass(frozen=True, slots=True)
class _Condition:
    sql: str
    parameters: tuple[str, ...] = ()


def position_of(cursor: str | None) -> int:
    """Where the cursor of a listing stands. Raises `ValueError`."""
    if cursor is None:
        return LAST_POSITION
    if not (cursor.isascii() and cursor.isdecimal() and len(cursor) < 19):
        raise ValueError(f"cursor {cursor!r} was not made by this storage; start without one")
    return int(cursor)


@each
def list_tasks(connection: sqlite3.Connection, listing: Listing) -> Page[TaskRecord]:
    """See `Storage.list_tasks`."""
    first, *others = _conditions(listing.criteria) or [_Condition("TRUE")]
    end = _end_of_scan(connection, first, listing.before) if others else 0
    where = " AND ".join([first.sql, *(f"+{condition.sql}" for condition in others)])
    parameters = [parameter for condition in (first, *others) for parameter in condition.parameters]
    query = f"{SELECT_RECORD} WHERE {where} AND position < ? AND position >= ? ORDER BY position DESC LIMIT ?"
    rows = read(connection, RecordRow, query, *parameters, listing.before, end, listing.limit + 1)
    page = rows[: listing.limit]
    cursor = page[-1].position if len(rows) > listing.limit else end
    return Page([row.record() for row in page], str(cursor) if cursor else None)


def _conditions(criteria: TaskFilter) -> list[_Condition]:
    """What is asked for; the first is looked up in an index, and the others are checked on what that gives."""
    conditions = []
    if criteria.group is not None:
        conditions.append(_Condition(OF_GROUP, (criteria.group,)))
    if criteria.state in RARE:
        conditions.append(_Condition(OF_STATE[criteria.state]))
    if criteria.function_id is not None:
        conditions.append(_Condition(OF_FUNCTION, (criteria.function_id,)))
    if criteria.state is not None and criteria.state not in RARE:
        conditions.append(_Condition(OF_STATE[criteria.state]))
    return conditions


def _end_of_scan(connection: sqlite3.Connection, first: _Condition, before: int) -> int:
    """The position of the last task to be looked at for this page; 0 if all can be."""
    query = f"""
        SELECT position FROM task WHERE {first.sql} AND position < ?
        ORDER BY position DESC LIMIT 1 OFFSET {LARGEST_SCAN - 1}
    """
    row = read_one(connection, _Position, query, *first.parameters, before)
    return row.position if row else 0
