"""One look at the platform as one viewer may see it: everything that the page shows beside a single task."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from mpcsfaas.figures import Figures, FunctionFigures, Latency, Series
from mpcsfaas.gateway.storage_view import StorageView
from mpcsfaas.interfaces import Storage
from mpcsfaas.interfaces.storage import Page, TaskFilter
from mpcsfaas.model import DispatcherInfo, Failure, State, TaskRecord
from mpcsfaas_dashboard.catalogue import Catalogue
from mpcsfaas_dashboard.follower import Follower

ROWS = 50
"""Of each list of tasks."""
MESSAGE = 300
"""Characters of a failure's message in a list."""


class TaskRow(Struct, frozen=True):
    """A task in a list."""

    id: str
    function_id: str
    function: str
    state: State
    created_at: float
    finished_at: float | None
    attempt: int
    failure: Failure | None
    """Without its traceback."""


class FunctionRow(Struct, frozen=True):
    """A function, and what its tasks did lately."""

    id: str
    name: str
    serializer: str
    description: str
    created_at: float
    figures: FunctionFigures | None


class Depth(Struct, frozen=True):
    """How many tasks have not ended; `is_bound` if there may be more than are counted, so that no oldest is known."""

    queued: int
    running: int
    is_bound: bool
    oldest_queued_at: float | None


class Look(Struct, frozen=True):
    """What is seen at the moment `at`. `dispatchers` is None for those who may not see them."""

    at: float
    depth: Depth
    rate: float
    """Tasks per second that complete or fail."""
    latency: Latency
    series: Series
    running: Sequence[TaskRow]
    queued: Sequence[TaskRow]
    failed: Sequence[TaskRow]
    latest: Sequence[TaskRow]
    functions: Sequence[FunctionRow]
    functions_are_all: bool
    dispatchers: Sequence[DispatcherInfo] | None


class Observer:
    """Looks through one view, and remembers the last minutes."""

    def __init__(self, feed: Storage, view: StorageView, *, sees_platform: bool) -> None:
        """`sees_platform` is for those who may read counts and workers of the platform as a whole."""
        self._view = view
        self._sees_platform = sees_platform
        self._figures = Figures()
        self._follower = Follower(feed, view, self._figures)
        self._catalogue = Catalogue(view)

    async def look(self) -> Look:
        """What there is to be seen now. Raises `StorageUnavailable`."""
        await self._follower.follow()
        running, queued, failed, latest = await asyncio.gather(
            self._tasks(State.RUNNING), self._tasks(State.QUEUED), self._tasks(State.FAILED), self._tasks(None)
        )
        now = self._view.clock()
        figures = self._figures.functions(now)
        tasks = [*running.items, *queued.items, *failed.items, *latest.items]
        await self._catalogue.look({record.function_id for record in tasks} | figures.keys())
        depth = await self._depth(running, queued)
        self._figures.note_depth(depth.queued, depth.running, now)
        return Look(
            at=now,
            depth=depth,
            rate=self._figures.rate(now),
            latency=self._figures.latency(now),
            series=self._figures.series(now),
            running=self._rows(running.items),
            queued=self._rows(queued.items),
            failed=self._rows(failed.items),
            latest=self._rows(latest.items),
            functions=self._function_rows(figures),
            functions_are_all=self._catalogue.is_whole,
            dispatchers=await self._view.dispatchers() if self._sees_platform else None,
        )

    async def _tasks(self, state: State | None) -> Page[TaskRecord]:
        return await self._view.list_tasks(TaskFilter(state), limit=ROWS)

    async def _depth(self, running: Page[TaskRecord], queued: Page[TaskRecord]) -> Depth:
        if self._sees_platform:
            counts = await self._view.statistics()
            return Depth(counts.queued, counts.running, is_bound=False, oldest_queued_at=counts.oldest_queued_at)
        is_bound = running.cursor is not None or queued.cursor is not None
        oldest = None if is_bound else min((record.created_at for record in queued.items), default=None)
        return Depth(len(queued.items), len(running.items), is_bound, oldest)

    def _rows(self, records: Iterable[TaskRecord]) -> list[TaskRow]:
        return [row_of(record, self._catalogue.name(record.function_id)) for record in records]

    def _function_rows(self, figures: Mapping[str, FunctionFigures]) -> list[FunctionRow]:
        rows = [
            FunctionRow(
                id=function.id,
                name=function.name,
                serializer=function.serializer,
                description=function.description,
                created_at=function.created_at,
                figures=figures.get(function.id),
            )
            for function in self._catalogue.functions(figures.keys())
        ]
        return sorted(rows, key=lambda row: (-(row.figures.ended if row.figures else 0.0), -row.created_at))


def row_of(record: TaskRecord, function: str) -> TaskRow:
    """A task in a list, short."""
    failure = record.failure
    return TaskRow(
        id=record.id,
        function_id=record.function_id,
        function=function,
        state=record.state,
        created_at=record.created_at,
        finished_at=record.finished_at,
        attempt=record.attempt,
        failure=failure and Failure(failure.kind, failure.message[:MESSAGE], failure.type),
    )
