"""Tasks that are watched from outside while the platform is mistreated, and the judgement of what became of them."""

import itertools
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from mpcsfaas.client import Client
from mpcsfaas.client.errors import TaskFailed
from mpcsfaas.model import State, TaskRecord
from mpcsfaas.testing.ledger import Entry, Ledger
from mpcsfaas.testing.platform import PlatformProcess, wait_until

HELD = ("ann", "bob", "cat", "dan")
"""Tasks to hold: as many as a `Cluster` has slots."""
QUICK = tuple(f"quick{number}" for number in range(40))
"""Tasks to submit behind them."""

SUBMITTERS = 4
"""Threads that submit at the same time."""
PAUSE = 0.05
"""Seconds between two submissions of each, as every task writes to the disk."""


class Outcome(NamedTuple):
    """What the platform says of a task."""

    record: TaskRecord
    value: Entry | None
    """What the task returned."""


class Experiment:
    """Tasks by name, in a group and a ledger of their own."""

    def __init__(self, client: Client, folder: Path) -> None:
        self.ledger = Ledger(folder / "ledger")
        self.accepted: dict[str, str] = {}
        """The ids of all tasks for which the gateway has said that it has them."""
        self.client = client.with_options(group=str(uuid.uuid4()))
        self.group = self.client.session.options["group"]
        self._task = self.ledger.held_task()

    def submit(self, *names: str, held: bool = False, wait: Callable[[], None] | None = None) -> None:
        """Submit tasks; held ones run until `finish`, and do `wait` again and again."""
        task = self.ledger.held_task(wait) if wait else self._task
        handles = self.client.submit_many(task, [(name, held) for name in names])
        self.accepted |= {name: handle.id for name, handle in zip(names, handles, strict=True)}

    def hold(self, *names: str, wait: Callable[[], None] | None = None) -> None:
        """Submit held tasks, and wait until each has begun."""
        self.submit(*names, held=True, wait=wait)
        wait_until(lambda: set(names) <= set(self.ledger.names()), 30, f"{names} having begun")

    def running_at(self, worker: PlatformProcess) -> list[str]:
        """The accepted tasks whose latest run began in a child of this worker that is there still."""
        children = worker.descendants()
        latest = {entry.name: entry.pid for entry in self.ledger.entries()}
        return [name for name in self.accepted if latest.get(name) in children]

    def record(self, name: str) -> TaskRecord:
        """What the platform says of a task now."""
        return self.client.task(self.accepted[name])

    def finish(self, untouched: Collection[str] = (), timeout: float = 60.0) -> list[TaskRecord]:
        """Let everything end, and assert that no promise was broken; the records, in the order of submission.

        Raises `AssertionError` with the violations, and `TimeoutError` for a task that does not end.
        """
        self.ledger.release()
        wait_until(self._all_ended, timeout, f"the end of all of {len(self.accepted)} tasks")
        outcomes = [Outcome(record, self._value(record)) for record in self._records()]
        found = violations(self.accepted, outcomes, self.ledger, untouched)
        assert not found, "\n".join(found)
        records = {outcome.record.id: outcome.record for outcome in outcomes}
        return [records[task_id] for task_id in self.accepted.values()]

    def _records(self) -> list[TaskRecord]:
        return list(self.client.tasks(group=self.group))

    def _all_ended(self) -> bool:
        return all(self.record(name).state.is_terminal for name in reversed(self.accepted))

    def _value(self, record: TaskRecord) -> Entry | None:
        try:
            return Entry(*self.client.result(record.id, timeout=30))
        except TaskFailed:
            return None


@contextmanager
def load(experiment: Experiment) -> Iterator[None]:
    """Clients that submit one task after the other, and have some more accepted after the block is left.

    There are several, so that whatever is killed meanwhile is killed in the middle of requests.
    """
    ended = threading.Event()
    numbers = itertools.count()

    def submit() -> None:
        remaining = 20 // SUBMITTERS
        while remaining:
            experiment.submit(f"load{next(numbers)}")
            remaining -= ended.wait(PAUSE)

    before = len(experiment.accepted)
    threads = [threading.Thread(target=submit) for _ in range(SUBMITTERS)]
    for thread in threads:
        thread.start()
    try:
        wait_until(lambda: len(experiment.accepted) > before + 20, what="the load having begun")
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def violations(
    accepted: Mapping[str, str], outcomes: Sequence[Outcome], ledger: Ledger, untouched: Collection[str] = ()
) -> list[str]:
    """Every way in which the platform broke its promise to `accepted` tasks, which are names with their ids.

    Each has one record, which is terminal, right, and tells of one success; it ran at least once, and no more often
    than the platform says that it was handed out again; an `untouched` one ran once and was never lost. No other task
    has a record, or ran.
    """
    runs, ends = Counter(ledger.names()), set(ledger.ends())
    records = Counter(outcome.record.id for outcome in outcomes)
    found = [f"{task_id} was never submitted" for task_id in records if task_id not in set(accepted.values())]
    found += [f"{name} ran, but was never submitted" for name in runs.keys() - accepted.keys()]
    found += [f"{name} has {records[own]} records" for name, own in accepted.items() if records[own] != 1]
    names = {task_id: name for name, task_id in accepted.items() if records[task_id] == 1}
    for outcome in outcomes:
        name = names.get(outcome.record.id)
        if name:
            found += _violations_of(name, outcome, runs[name], ends)
            found += _touched(name, outcome.record, runs[name]) if name in untouched else []
    return found


def _violations_of(name: str, outcome: Outcome, runs: int, ends: Collection[Entry]) -> Iterator[str]:
    record = outcome.record
    if record.state is not State.COMPLETED:
        yield f"{name} is {record.state}: {record.failure}"
    elif outcome.value is None or outcome.value not in ends or outcome.value.name != name:
        yield f"{name} has the value {outcome.value}, which no run of it returned"
    if not runs:
        yield f"{name} never ran"
    if runs > 1 + record.losses:
        yield f"{name} ran {runs} times for {record.losses} redeliveries"
    yield from _contradictions(name, record)


def _touched(name: str, record: TaskRecord, runs: int) -> list[str]:
    if (runs, record.losses) == (1, 0):
        return []
    return [f"{name} was not touched, but ran {runs} times and was lost {record.losses} times"]


def _contradictions(name: str, record: TaskRecord) -> Iterator[str]:
    """In what a record says by itself."""
    numbers = [attempt.number for attempt in record.history]
    if numbers != sorted(set(numbers)):
        yield f"{name} has a history of attempts {numbers}"
    successes = sum(attempt.failure is None for attempt in record.history)
    if record.state is State.COMPLETED and successes != 1:
        yield f"{name} succeeded {successes} times"
