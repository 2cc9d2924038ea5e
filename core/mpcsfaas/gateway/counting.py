"""How much there is: of everything, as the storage counts it, and of one tenant, for whom nobody counts."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Protocol

from msgspec import Struct

from mpcsfaas.gateway.storage_view import StorageView
from mpcsfaas.interfaces.storage import Page, TaskFilter
from mpcsfaas.model import Function, State, TaskRecord

PAGE_SIZE = 1000
MOST_PAGES = 5
"""Pages of all tenants' tasks, or functions, that are looked through for one tenant's."""


class StatisticsAnswer(Struct, frozen=True):
    """Counts at one moment. Of a tenant, only some are known, and the others null."""

    queued: int
    running: int
    completed: int | None = None
    failed: int | None = None
    cancelled: int | None = None
    functions: int = 0
    fenced: int | None = None
    """Late and repeated words about tasks that this gateway's storage refused."""
    oldest_queued_at: float | None = None
    at_least: bool = False
    """True if there were too many to count, so that the numbers are lower bounds."""


Look = Callable[[str | None, int], Awaitable[Page[Any]]]


class TenantView(Protocol):
    """What is needed of `TenantStorage`."""

    def look_at_functions(self, cursor: str | None, limit: int) -> Awaitable[Page[Function]]: ...  # noqa: D102
    def look_at_tasks(  # noqa: D102
        self, criteria: TaskFilter, cursor: str | None, limit: int
    ) -> Awaitable[Page[TaskRecord]]: ...


async def count_all(storage: StorageView) -> StatisticsAnswer:
    """Counts of the whole platform."""
    counts = await storage.statistics()
    return StatisticsAnswer(
        counts.queued,
        counts.running,
        counts.completed,
        counts.failed,
        counts.cancelled,
        counts.functions,
        counts.fenced,
        counts.oldest_queued_at,
    )


async def count_of_tenant(storage: TenantView) -> StatisticsAnswer:
    """Counts of what is cheap to count of one tenant: functions, and tasks that have not ended.

    They are looked for among the newest of all tenants, up to a bound that keeps the answer cheap.
    """
    queued, running, functions = [
        await _count(look)
        for look in (
            partial(storage.look_at_tasks, TaskFilter(State.QUEUED)),
            partial(storage.look_at_tasks, TaskFilter(State.RUNNING)),
            storage.look_at_functions,
        )
    ]
    at_least = not (queued[1] and running[1] and functions[1])
    return StatisticsAnswer(queued[0], running[0], functions=functions[0], at_least=at_least)


async def _count(look: Look) -> tuple[int, bool]:
    """How many were found, and whether those are all."""
    number, cursor = 0, None
    for _ in range(MOST_PAGES):
        page = await look(cursor, PAGE_SIZE)
        number += len(page.items)
        cursor = page.cursor
        if cursor is None:
            return number, True
    return number, False
