"""What the last minutes were like, slot by slot, made of the tasks that ended in them. Pure: no clock, no storage."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from msgspec import Struct

from mpcsfaas.figures.histogram import Histogram
from mpcsfaas.model import State, TaskRecord

SLOT = 2
"""Seconds."""
SLOTS = 150
RATE_SLOTS = 5
"""Over which a rate is taken."""


class Ended(NamedTuple):
    """What counts of a task that has ended. Durations in seconds."""

    at: float
    state: State
    function_id: str
    latency: float
    """From its acceptance to its end."""
    run_time: float | None
    """Of its last attempt; None if that did not begin to run."""


class Latency(Struct, frozen=True):
    """Percentiles in seconds; None where nothing ended."""

    p50: float | None
    p95: float | None
    p99: float | None


class Series(Struct, frozen=True):
    """One value per slot, oldest first; None where it is not known."""

    slot: int
    end: int
    """When the last slot ends."""
    completed: Sequence[float]
    """Per second, as are the next two."""
    failed: Sequence[float]
    cancelled: Sequence[float]
    queued: Sequence[int | None]
    running: Sequence[int | None]
    latency: Sequence[Latency]


class FunctionFigures(Struct, frozen=True):
    """What the tasks of one function did during all slots."""

    ended: float
    failed: float
    run_time: Latency


class _Slot:
    def __init__(self) -> None:
        self.ended: defaultdict[State, float] = defaultdict(float)
        self.latency = Histogram()
        self.functions: defaultdict[str, _OfFunction] = defaultdict(_OfFunction)
        self.depth: tuple[int, int] | None = None


class _OfFunction:
    def __init__(self) -> None:
        self.ended = 0.0
        self.failed = 0.0
        self.run_time = Histogram()


class Figures:
    """The last `SLOTS` slots of `SLOT` seconds each. Moments are seconds since the epoch."""

    def __init__(self) -> None:
        self._slots: dict[int, _Slot] = {}

    def note(self, ended: Iterable[Ended], weight: float, now: float) -> None:
        """Count tasks that have ended, each for `weight` of them; what is older than the slots is left out."""
        newest = _slot_of(now)
        for task in ended:
            number = min(_slot_of(task.at), newest)  # Somebody's clock may be ahead.
            if number > newest - SLOTS:
                self._count(self._slots.setdefault(number, _Slot()), task, weight)

    def note_depth(self, queued: int, running: int, now: float) -> None:
        """How many tasks are queued and running."""
        self._slots.setdefault(_slot_of(now), _Slot()).depth = (queued, running)

    def series(self, now: float) -> Series:
        """The slots, the one that `now` is in being the last."""
        self._forget(now)
        slots = [self._slots.get(number) or _Slot() for number in _numbers(now)]
        return Series(
            slot=SLOT,
            end=(_slot_of(now) + 1) * SLOT,
            completed=[slot.ended[State.COMPLETED] / SLOT for slot in slots],
            failed=[slot.ended[State.FAILED] / SLOT for slot in slots],
            cancelled=[slot.ended[State.CANCELLED] / SLOT for slot in slots],
            queued=[slot.depth and slot.depth[0] for slot in slots],
            running=[slot.depth and slot.depth[1] for slot in slots],
            latency=[latency_of(slot.latency) for slot in slots],
        )

    def rate(self, now: float) -> float:
        """How many tasks completed or failed per second, during the latest slots that are over."""
        newest = _slot_of(now)
        slots = [self._slots[number] for number in range(newest - RATE_SLOTS, newest) if number in self._slots]
        return sum(slot.ended[State.COMPLETED] + slot.ended[State.FAILED] for slot in slots) / (RATE_SLOTS * SLOT)

    def latency(self, now: float) -> Latency:
        """Of all tasks that completed or failed during the slots."""
        self._forget(now)
        return latency_of(Histogram.sum(slot.latency for slot in self._slots.values()))

    def functions(self, now: float) -> dict[str, FunctionFigures]:
        """By the ids of the functions whose tasks ended during the slots."""
        self._forget(now)
        parts: defaultdict[str, list[_OfFunction]] = defaultdict(list)
        for slot in self._slots.values():
            for function_id, part in slot.functions.items():
                parts[function_id].append(part)
        return {function_id: _together(of_one) for function_id, of_one in parts.items()}

    def _count(self, slot: _Slot, task: Ended, weight: float) -> None:
        slot.ended[task.state] += weight
        if task.state is State.CANCELLED:
            return  # How long somebody waited before giving up tells nothing of the platform.
        slot.latency.add(task.latency, weight)
        function = slot.functions[task.function_id]
        function.ended += weight
        function.failed += weight if task.state is State.FAILED else 0.0
        if task.run_time is not None:
            function.run_time.add(task.run_time, weight)

    def _forget(self, now: float) -> None:
        oldest = _slot_of(now) - SLOTS
        for number in [number for number in self._slots if number <= oldest]:
            del self._slots[number]


def ended_of(record: TaskRecord) -> Ended | None:
    """What counts of a task; None if it has not ended."""
    if record.finished_at is None or not record.state.is_terminal:
        return None
    last = record.history[-1] if record.history else None
    has_run = last is not None and last.started_at and last.finished_at
    return Ended(
        at=record.finished_at,
        state=record.state,
        function_id=record.function_id,
        latency=max(0.0, record.finished_at - record.created_at),
        run_time=max(0.0, last.finished_at - last.started_at) if last and has_run else None,
    )


def latency_of(histogram: Histogram) -> Latency:
    """The percentiles that are shown."""
    return Latency(histogram.percentile(0.5), histogram.percentile(0.95), histogram.percentile(0.99))


def _slot_of(moment: float) -> int:
    return int(moment // SLOT)


def _numbers(now: float) -> Iterator[int]:
    newest = _slot_of(now)
    return iter(range(newest - SLOTS + 1, newest + 1))


def _together(parts: Sequence[_OfFunction]) -> FunctionFigures:
    return FunctionFigures(
        ended=sum(part.ended for part in parts),
        failed=sum(part.failed for part in parts),
        run_time=latency_of(Histogram.sum(part.run_time for part in parts)),
    )
