"""Listings, newest first, whose every page costs the same however many tasks there are."""

import sqlite3
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from mpcsfaas.interfaces.storage import Page, TaskFilter
from mpcsfaas.model import State, TaskRecord
from mpcsfaas_storage_sqlite.records import RECORD_COLUMNS, RecordRow
from mpcsfaas_storage_sqlite.rows import read, read_one
from mpcsfaas_storage_sqlite.schema import CANCELLED, COMPLETED, DELAYED, FAILED, RUNNING
from mpcsfaas_storage_sqlite.transaction import each

LARGEST_SCAN = 10_000
"""Tasks looked at for one page. With two filters at once, a page may be short of items and yet have a cursor."""

LAST_POSITION = 1 << 62

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
class Condition:
    """What is asked of tasks, and the index that has just those."""

    sql: str
    index: str
    parameters: tuple[str, ...] = ()


EVERY = Condition("TRUE", "NOT INDEXED")
OF_STATE = {
    State.QUEUED: Condition(f"phase <= {DELAYED}", "INDEXED BY task_queued"),
    State.RUNNING: Condition(f"phase = {RUNNING}", "INDEXED BY task_lease"),
    State.COMPLETED: Condition(f"phase = {COMPLETED} AND phase >= {COMPLETED}", "INDEXED BY task_ended"),
    State.FAILED: Condition(f"phase = {FAILED} AND phase >= {COMPLETED}", "INDEXED BY task_ended"),
    State.CANCELLED: Condition(f"phase = {CANCELLED} AND phase >= {COMPLETED}", "INDEXED BY task_ended"),
}
"""A partial index is used only where its own condition is asked for, word for word."""


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
    first, *others = _conditions(listing.criteria)
    end = _end_of_scan(connection, first, listing.before) if others else 0
    where = " AND ".join(condition.sql for condition in (first, *others))
    parameters = [parameter for condition in (first, *others) for parameter in condition.parameters]
    query = f"""
        SELECT {RECORD_COLUMNS} FROM task {first.index} LEFT JOIN outcome USING (position)
        WHERE {where} AND position < ? AND position >= ? ORDER BY position DESC LIMIT ?
    """
    rows = read(connection, RecordRow, query, *parameters, listing.before, end, listing.limit + 1)
    page = rows[: listing.limit]
    cursor = page[-1].position if len(rows) > listing.limit else end
    return Page([row.record() for row in page], str(cursor) if cursor else None)


def _conditions(criteria: TaskFilter) -> list[Condition]:
    """What is asked for; the first is looked up in its index, and the others are checked on what that gives."""
    conditions = []
    if criteria.group is not None:
        conditions.append(Condition("task.group_name = ?", "INDEXED BY task_group", (criteria.group,)))
    if criteria.state in RARE:
        conditions.append(OF_STATE[criteria.state])
    if criteria.function_id is not None:
        of_function = "function = (SELECT number FROM function WHERE id = ?)"
        conditions.append(Condition(of_function, "INDEXED BY task_function", (criteria.function_id,)))
    if criteria.state is not None and criteria.state not in RARE:
        conditions.append(OF_STATE[criteria.state])
    return conditions or [EVERY]


def _end_of_scan(connection: sqlite3.Connection, first: Condition, before: int) -> int:
    """The position of the last task to be looked at for this page; 0 if all can be."""
    query = f"""
        SELECT position FROM task {first.index} WHERE {first.sql} AND position < ?
        ORDER BY position DESC LIMIT 1 OFFSET {LARGEST_SCAN - 1}
    """
    row = read_one(connection, _Position, query, *first.parameters, before)
    return row.position if row else 0
