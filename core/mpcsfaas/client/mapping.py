"""`map`: submits calls in batches, a bounded way ahead of the consumer, and gives back the values in order."""

from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from contextlib import closing
from itertools import islice
from typing import Any

from mpcsfaas.client import operations
from mpcsfaas.client.connection import Connection, ResultStream
from mpcsfaas.client.errors import GatewayError
from mpcsfaas.client.following import Follower
from mpcsfaas.client.outcome import Outcome, outcome_of
from mpcsfaas.client.progress import ProgressBar
from mpcsfaas.client.records import ResultItem
from mpcsfaas.client.session import NewTask, Session
from mpcsfaas.model import new_task_id

BATCHES_AHEAD = 8
"""How many batches may be submitted and not consumed yet."""


class MapPlan:
    """What to submit next and what to give next. Decisions only."""

    def __init__(
        self,
        session: Session,
        function: Callable[..., Any] | str,
        iterables: Sequence[Iterable[Any]],
        unordered: bool,
        return_errors: bool,
        batch_size: int,
    ) -> None:
        self.session = grouped(session, function, "map")
        self.group: str = self.session.options["group"]
        self.total = min(map(len, iterables)) if all(isinstance(each, Sized) for each in iterables) else None  # type: ignore[arg-type]
        self._function = function
        self._calls = zip(*iterables, strict=False)
        self._unordered = unordered
        self._return_errors = return_errors
        self._batch_size = batch_size
        self._waiting: dict[str, int] = {}
        self._ready: dict[int, Outcome] = {}
        self._submitted = 0
        self._delivered = 0
        self._exhausted = False

    @property
    def finished(self) -> bool:
        """True when every item has been submitted and delivered."""
        return self._exhausted and self._delivered == self._submitted

    @property
    def waiting(self) -> list[str]:
        """Ids of the tasks whose end is not known."""
        return list(self._waiting)

    def next_batch(self) -> list[NewTask]:
        """The next tasks to submit; none if enough are ahead of the consumer. Raises `SerializationError`."""
        ahead = self._submitted - self._delivered
        if self._exhausted or ahead + self._batch_size > BATCHES_AHEAD * self._batch_size:
            return []
        calls = list(islice(self._calls, self._batch_size))
        self._exhausted = len(calls) < self._batch_size
        tasks = [self.session.new_task(self._function, args, {}) for args in calls]
        self._waiting.update((task.id, self._submitted + index) for index, task in enumerate(tasks))
        self._submitted += len(tasks)
        return tasks

    def answered(self, tasks: Sequence[NewTask], verdicts: Sequence[operations.Verdict]) -> None:
        """Take in what became of a batch."""
        for task, verdict in zip(tasks, verdicts, strict=True):
            if isinstance(verdict, GatewayError):
                self.ended(task.id, Outcome(error=verdict))

    def received(self, items: Iterable[ResultItem]) -> None:
        """Take in results; those of other tasks in the group are left alone."""
        for item in items:
            if item.id in self._waiting:
                self.ended(item.id, outcome_of(item, self.session.registry.payloads))

    def ended(self, task_id: str, outcome: Outcome) -> None:
        """Take in the end of one task."""
        number = self._waiting.pop(task_id, None)
        if number is not None:
            self._ready[number] = outcome

    def take_ready(self) -> Iterator[Any]:
        """Values that can be given now. Raises the exception of a task, unless they are to be returned."""
        while self._ready:
            number = next(iter(self._ready)) if self._unordered else self._delivered
            if number not in self._ready:
                return
            outcome = self._ready.pop(number)
            self._delivered += 1
            failed = outcome.error is not None
            yield outcome.error if self._return_errors and failed else outcome.unwrap()


def map_blocking(connection: Connection, plan: MapPlan, progress: bool | None) -> Iterator[Any]:
    """Submit the first batch now; the iterator does the rest."""
    _submit_blocking(connection, plan)
    return _deliver_blocking(connection, plan, progress)


def _submit_blocking(connection: Connection, plan: MapPlan) -> bool:
    batch = plan.next_batch()
    plan.answered(batch, connection.perform(operations.submit_many(plan.session, batch)))
    return bool(batch)


def _deliver_blocking(connection: Connection, plan: MapPlan, progress: bool | None) -> Iterator[Any]:
    stream = ResultStream(connection, Follower(plan.group, plan.session.timeout))
    try:
        with ProgressBar(plan.total, progress) as bar, closing(stream.turns()) as turns:
            known_interruptions = 0
            while not plan.finished:
                while _submit_blocking(connection, plan):
                    pass
                for value in plan.take_ready():
                    bar.advance()
                    yield value
                if plan.waiting:
                    plan.received(next(turns))
                if stream.interruptions > known_interruptions:
                    known_interruptions = stream.interruptions
                    lost = connection.perform(operations.lost_tasks(plan.session, plan.group, plan.waiting))
                    for task_id, error in lost.items():
                        plan.ended(task_id, Outcome(error=error))
    finally:
        if plan.waiting:
            connection.perform(operations.cancel_many(plan.session, plan.waiting))


def grouped(session: Session, function: Any, kind: str, group: str | None = None) -> Session:
    """The session with a group for its tasks: `group`, the one in its options, or a new one. Raises `ValueError`.

    An idempotency key would make all of the tasks one.
    """
    options = {**session.options, **getattr(function, "task_options", {})}
    if options.get("idempotency_key") is not None:
        raise ValueError(f"One idempotency_key cannot serve the many tasks of a {kind}. Use it with submit or run.")
    return session._replace(options={**options, "group": group or options.get("group") or f"{kind}-{new_task_id()}"})
