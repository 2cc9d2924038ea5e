"""What the in-memory storage keeps of one task, and how it changes from state to state."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

import msgspec

from mpcsfaas.model import (
    TRANSITIONS,
    Attempt,
    AttemptKey,
    AttemptRecord,
    Budget,
    Failure,
    State,
    Task,
    TaskLogs,
    TaskRecord,
    TaskResult,
    Transition,
)


@dataclass(slots=True)
class Entry:
    """One task. Every change of state goes through `_move`, so none can be illegal."""

    task: Task
    position: int
    """Place in the order of acceptance."""
    ready_at: float
    parents: Sequence["Entry"] = ()
    """Those that the task comes after."""
    is_parent: bool = False
    """True if another task comes after it."""
    state: State = State.QUEUED
    attempt: int = 0
    claimed_at: float = 0.0
    holder: str | None = None
    leased_until: float = 0.0
    failures: int = 0
    losses: int = 0
    finished_at: float | None = None
    drop_at: float = 0.0
    """Of an ended task: when its result expires; once it has expired, when it is forgotten."""
    expired: bool = False
    sequence: int = 0
    failure: Failure | None = None
    value: bytes = b""
    stdout: str = ""
    stderr: str = ""
    history: tuple[AttemptRecord, ...] = ()

    @property
    def waits_for_parents(self) -> bool:
        """True before the first attempt, while one of the parents has not ended."""
        return self.attempt == 0 and not all(parent.state.is_terminal for parent in self.parents)

    def claim(self, holder: str, now: float, lease: float) -> Attempt:
        """QUEUED → RUNNING as the next attempt."""
        self._move(State.RUNNING)
        self.attempt += 1
        self.claimed_at = now
        return self.take_over(holder, now, lease)

    def take_over(self, holder: str, now: float, lease: float) -> Attempt:
        """Change the holder of the running attempt."""
        self.holder = holder
        self.leased_until = now + lease
        return Attempt(self.task, self.attempt, self.claimed_at, self.failures, self.losses)

    def holds(self, key: AttemptKey) -> bool:
        """True if that attempt is the one that runs."""
        return self.state is State.RUNNING and self.attempt == key.number

    def finish(self, transition: Transition, now: float, sequences: "count[int]") -> None:
        """Apply what the holder of the running attempt says."""
        self.holder = None
        self.history += (transition.record,)
        self.stdout, self.stderr = transition.stdout, transition.stderr
        if transition.to is State.QUEUED:
            self._requeue(transition)
        else:
            self.end(transition.to, now, sequences)
            self.value, self.failure = transition.value, transition.failure

    def end(self, state: State, now: float, sequences: "count[int]") -> None:
        """Reach a terminal state, and a place in the feed."""
        self._move(state)
        self.finished_at = now
        self.drop_at = now + self.task.options.ttl
        self.sequence = next(sequences)

    def expire(self, now: float) -> None:
        """Drop everything but the fact that it was."""
        self.task = msgspec.structs.replace(self.task, payload=b"")
        self.expired = True
        self.drop_at = now + self.task.options.ttl
        self.holder = None
        self.failure = None
        self.value, self.stdout, self.stderr, self.history = b"", "", "", ()

    def record(self) -> TaskRecord:
        """The public view of the state."""
        return TaskRecord(
            id=self.task.id,
            function_id=self.task.function_id,
            serializer=self.task.serializer,
            state=self.state,
            created_at=self.task.created_at,
            options=self.task.options,
            attempt=self.attempt,
            failures=self.failures,
            losses=self.losses,
            ready_at=self.ready_at,
            finished_at=self.finished_at,
            failure=self.failure,
            history=self.history,
            expired=self.expired,
            retry_of=self.task.retry_of,
        )

    def payload(self) -> bytes | None:
        """What it may still be run with."""
        is_gone = self.expired or self.state in (State.COMPLETED, State.CANCELLED)
        return None if is_gone else self.task.payload

    def result(self) -> TaskResult:
        """The public view of the outcome."""
        return TaskResult(self.task.id, self.state, self.task.serializer, self.value, self.failure, self.expired)

    def logs(self) -> TaskLogs:
        """The public view of what was printed."""
        return TaskLogs(self.task.id, self.stdout, self.stderr)

    def _requeue(self, transition: Transition) -> None:
        self._move(State.QUEUED)
        self.ready_at = transition.ready_at
        self.failures += transition.budget is Budget.RETRY
        self.losses += transition.budget is Budget.REDELIVERY

    def _move(self, to: State) -> None:
        if to not in TRANSITIONS[self.state]:
            raise ValueError(f"task {self.task.id} cannot go from {self.state} to {to}")
        self.state = to
