"""Listings, newest first, whose every page costs the same however many tasks there are."""

from collections.abc import Sequence
from typing import NamedTuple

from mpcsfaas.interfaces.storage import Page, TaskFilter
from mpcsfaas.model import State, TaskRecord
from mpcsfaas_storage_redis import records
from mpcsfaas_storage_redis.client import Client

LARGEST_SCAN = 500
"""Tasks that the server looks at in one go."""

MOST_SCANS = 20
"""Goes for one page. With two filters at once, a page may be short, or empty, and yet have a cursor."""

RARE = frozenset({State.RUNNING, State.FAILED, State.CANCELLED})
"""States whose index is the shorter way than the function's."""

OF_STATE = {state: (f"state:{state}",) for state in State} | {State.QUEUED: ("queued", "queued:deadline")}
EVERY = tuple(name for names in OF_STATE.values() for name in names)


class _Plan(NamedTuple):
    """The sorted sets to read, and what is still to be checked of each task."""

    indexes: tuple[str, ...]
    rest: TaskFilter


async def list_tasks(client: Client, criteria: TaskFilter, cursor: str | None, limit: int) -> Page[TaskRecord]:
    """See `Storage.list_tasks`."""
    before = _position(cursor)
    plan = _plan(criteria)
    found: list[TaskRecord] = []
    for _ in range(MOST_SCANS):
        before, part = await _scan(client, plan, before, limit - len(found))
        found += part
        if not before or len(found) == limit:
            break
    return Page(found, str(before) if before else None)


async def _scan(client: Client, plan: _Plan, before: int, limit: int) -> tuple[int, Sequence[TaskRecord]]:
    rest = plan.rest
    scan = LARGEST_SCAN if rest != TaskFilter() else min(limit, LARGEST_SCAN)
    state = "" if rest.state is None else records.LETTERS[rest.state]
    top = f"({before}" if before else "+inf"
    position, *values = await client.ask_script(
        "list_tasks", top, limit, scan, state, rest.function_id or "", *plan.indexes
    )
    rows = zip(*(values[place::4] for place in range(4)), strict=True)
    return int(position), [records.task(task_id.decode(), *parts) for task_id, *parts in rows]


def _position(cursor: str | None) -> int:
    if cursor is None:
        return 0
    if not (cursor.isascii() and cursor.isdecimal() and 0 < len(cursor) < 19 and int(cursor)):
        raise ValueError(f"cursor {cursor!r} was not made by this storage; start without one")
    return int(cursor)


def _plan(criteria: TaskFilter) -> _Plan:
    state, function_id, group = criteria.state, criteria.function_id, criteria.group
    if group is not None:
        return _Plan((f"group:{group}",), TaskFilter(state, function_id))
    if state is not None and (state in RARE or function_id is None):
        return _Plan(OF_STATE[state], TaskFilter(function_id=function_id))
    if function_id is not None:
        return _Plan((f"function:{function_id}:tasks",), TaskFilter(state))
    return _Plan(EVERY, TaskFilter())
