"""One look at the platform, through its REST API: all that a frame of `mpcsfaas top` shows."""

import time
from collections.abc import Callable, Iterable, Sequence

from msgspec import Struct

from mpcsfaas.cli.gateway import function_info, tasks_page
from mpcsfaas.client import Client
from mpcsfaas.client.errors import AccessDenied, NotFound
from mpcsfaas.client.records import Dispatcher, Statistics
from mpcsfaas.figures import RATE_SLOTS, SLOT, Ended, Figures, Latency, ended_of
from mpcsfaas.model import State, TaskRecord

ROWS = 100
"""Of each list of tasks at most."""
FIRST = 1000
"""Ended tasks of each kind that the first look reads, so that there are figures at once."""
SAMPLE = 200
"""Ended tasks of each kind that any other look reads; they stand for all that have ended since the one before."""


class TaskRow(Struct, frozen=True):
    """A task in a list. `reason` is of one that failed."""

    id: str
    function: str
    created_at: float
    finished_at: float | None
    attempt: int
    reason: str = ""


class Look(Struct, frozen=True):
    """What is seen at the moment `at`, in seconds since the epoch."""

    at: float
    url: str
    counts: Statistics
    rate: float
    """Tasks per second that completed or failed during the last ten seconds."""
    rate_is_bound: bool
    """True if more may have ended than could be counted."""
    latency: Latency
    """From acceptance to end, during the last five minutes."""
    trend: Sequence[float]
    """Rates of those minutes, oldest first."""
    dispatchers: Sequence[Dispatcher] | None
    """None for a key that may not see them; `refusal` says why."""
    refusal: str
    running: Sequence[TaskRow]
    failed: Sequence[TaskRow]


class Observer:
    """Looks through a client, and remembers what the last minutes were like."""

    def __init__(self, client: Client, clock: Callable[[], float] = time.time) -> None:
        self._client = client
        self._clock = clock
        self._figures = Figures()
        self._samplers = {state: Sampler() for state in (State.COMPLETED, State.FAILED)}
        self._names: dict[str, str] = {}

    def look(self) -> Look:
        """What there is to be seen now. Raises `GatewayError`."""
        counts = self._client.stats()
        running = self._tasks(State.RUNNING, ROWS)
        completed = self._sample(State.COMPLETED, counts.completed)
        failed = self._sample(State.FAILED, counts.failed)
        dispatchers, refusal = self._dispatchers()
        now = self._clock()
        series = self._figures.series(now)
        return Look(
            at=now,
            url=self._client.url,
            counts=counts,
            rate=self._figures.rate(now),
            rate_is_bound=counts.completed is None and any(is_cut(page, now) for page in (completed, failed)),
            latency=self._figures.latency(now),
            trend=[sum(rates) for rates in zip(series.completed, series.failed, strict=True)],
            dispatchers=dispatchers,
            refusal=refusal,
            running=self._rows(running),
            failed=self._rows(failed[:ROWS]),
        )

    def _sample(self, state: State, count: int | None) -> Sequence[TaskRecord]:
        sampler = self._samplers[state]
        page = self._tasks(state, FIRST if sampler.is_new else SAMPLE)
        ended, weight = sampler.news(page, count)
        self._figures.note(ended, weight, self._clock())
        return page

    def _tasks(self, state: State, limit: int) -> Sequence[TaskRecord]:
        return self._client.connection.perform(tasks_page(self._client.session, state, None, None, limit, None)).items

    def _dispatchers(self) -> tuple[Sequence[Dispatcher] | None, str]:
        try:
            return self._client.workers(), ""
        except AccessDenied as error:
            return None, str(error)

    def _rows(self, records: Iterable[TaskRecord]) -> list[TaskRow]:
        return [row_of(record, self._name(record.function_id)) for record in records]

    def _name(self, function_id: str) -> str:
        if function_id not in self._names:
            try:
                info = self._client.connection.perform(function_info(self._client.session, function_id))
                self._names[function_id] = info.name
            except NotFound:
                self._names[function_id] = function_id  # Removed; what is left of it is its id.
        return self._names[function_id]


class Sampler:
    """Tells which tasks of a list are new in it, and for how many each of them stands. Pure."""

    def __init__(self) -> None:
        self.is_new = True
        self._seen: set[str] = set()
        self._counted: int | None = None

    def news(self, page: Sequence[TaskRecord], count: int | None) -> tuple[list[Ended], float]:
        """What has ended since the last page, and the weight of each; `count` is how many ever did, if that is known.

        Those of the first page stand for themselves: how many more ended in which time is not known.
        """
        fresh = [record for record in page if record.id not in self._seen]
        weight = 1.0
        if fresh and self._counted is not None and count is not None:
            weight = max(1.0, (count - self._counted) / len(fresh))
        if fresh or self._counted is None:
            self._counted = count
        self._seen = {record.id for record in page}
        self.is_new = False
        return [ended for record in fresh if (ended := ended_of(record))], weight


def is_cut(page: Sequence[TaskRecord], now: float) -> bool:
    """Whether so many have ended lately that a list does not hold them all."""
    began = now - SLOT * (RATE_SLOTS + 1)
    return len(page) >= SAMPLE and all((record.finished_at or 0.0) >= began for record in page)


def row_of(record: TaskRecord, function: str) -> TaskRow:
    """A task in a list."""
    failure = record.failure
    reason = f"{failure.kind}: {failure.message}".partition("\n")[0] if failure else ""
    return TaskRow(record.id, function, record.created_at, record.finished_at, record.attempt, reason)
