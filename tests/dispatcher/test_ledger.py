"""The ledger against a model: each attempt held is in one place, and ends as exactly one transition."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from mpcsfaas.dispatcher.ledger import Ledger
from mpcsfaas.model import Attempt, AttemptKey, AttemptResult, Failure, FailureKind, State, Task, TaskOptions

DEFAULTS = TaskOptions()


def make_attempt(number: int, options: TaskOptions = DEFAULTS, created_at: float = 0.0) -> Attempt:
    task = Task(f"task-{number}", "f", b"", "json", created_at, options)
    return Attempt(task, 1, claimed_at=created_at)


class LedgerMachine(RuleBasedStateMachine):
    """Claims, reports (late, repeated, foreign ones too), takeovers, losses and commits in any order."""

    make_ledger: Callable[[], Ledger] = Ledger

    def __init__(self) -> None:
        super().__init__()
        self.ledger = self.make_ledger()
        self.now = 0.0
        self.counter = 0
        self.running: dict[AttemptKey, Attempt] = {}
        self.pending: set[AttemptKey] = set()
        self.known: list[AttemptKey] = []
        self.attempts: dict[AttemptKey, Attempt] = {}

    def new_attempt(self, deadline: float | None = None) -> Attempt:
        self.counter += 1
        attempt = make_attempt(self.counter, TaskOptions(deadline=deadline), self.now)
        self.known.append(attempt.key)
        self.attempts[attempt.key] = attempt
        return attempt

    @rule(count=st.integers(1, 4), seconds=st.floats(0, 10))
    def claim(self, count: int, seconds: float) -> None:
        attempts = [self.new_attempt() for _ in range(count)]
        admitted = self.ledger.take(attempts, self.now + seconds)
        assert [attempt for attempt, _ in admitted] == attempts
        self.running |= {attempt.key: attempt for attempt in attempts}

    @precondition(lambda self: self.running or self.pending)
    @rule(data=st.data())
    def adopt(self, data: st.DataObject) -> None:
        """A worker that was given up is back with an attempt of ours, whose loss may not be durable yet."""
        key = data.draw(st.sampled_from([*self.running, *sorted(self.pending)]))
        admitted = self.ledger.take([self.attempts[key]], self.now)
        assert [attempt.key for attempt, _ in admitted] == ([key] if key in self.running else [])

    @rule(deadline=st.floats(1, 5))
    def claim_one_past_its_deadline(self, deadline: float) -> None:
        attempt = self.new_attempt(deadline)
        assert self.ledger.take([attempt], self.now + deadline) == []
        self.pending.add(attempt.key)

    @precondition(lambda self: self.known)
    @rule(data=st.data(), failed=st.booleans())
    def report(self, data: st.DataObject, failed: bool) -> None:
        """Of anything ever known: running, pending, settled, dropped."""
        key = data.draw(st.sampled_from(self.known))
        failure = Failure(FailureKind.EXCEPTION, "x") if failed else None
        held = key in self.running or key in self.pending
        unwanted = self.ledger.report([AttemptResult(*key, failure=failure)] * 2, self.now, 0.5)
        assert unwanted == ([] if held else [key, key])
        if self.running.pop(key, None):
            self.pending.add(key)

    @rule(data=st.data())
    def take_over(self, data: st.DataObject) -> None:
        """A stranger's lapsed attempt, and one of our own that lapsed while we slept."""
        own = [data.draw(st.sampled_from(list(self.running.values())))] if self.running else []
        stranger = self.new_attempt()
        self.ledger.take_lapsed([stranger, *own], self.now)
        self.pending.add(stranger.key)

    @precondition(lambda self: self.known)
    @rule(data=st.data())
    def drop(self, data: st.DataObject) -> None:
        keys = data.draw(st.lists(st.sampled_from(self.known), max_size=3, unique=True))
        assert set(self.ledger.drop(keys)) == set(keys) & set(self.running)
        for key in keys:
            self.running.pop(key, None)
            self.pending.discard(key)

    @rule(limit=st.integers(1, 3))
    def commit(self, limit: int) -> None:
        batch = self.ledger.pending(limit)
        assert len(batch) == min(limit, len(self.pending))
        self.ledger.settle(batch)
        self.pending -= {transition.key for transition in batch}

    @rule(data=st.data())
    def give_back(self, data: st.DataObject) -> None:
        """Some that run, or all; what is not running is let alone."""
        keys = data.draw(st.sets(st.sampled_from(held))) if (held := sorted(self.ledger.keys())) else set()
        assert set(self.ledger.give_back(keys, self.now)) == keys & set(self.running)
        self.pending |= keys
        for key in keys:
            self.running.pop(key, None)

    @invariant()
    def nothing_is_lost_or_doubled(self) -> None:
        transitions = self.ledger.pending(10**6)
        keys = [transition.key for transition in transitions]
        assert len(keys) == len(set(keys))
        assert set(keys) == self.pending
        assert set(self.ledger.keys()) == set(self.running) | self.pending
        assert len(self.ledger) == len(self.running) + len(self.pending)
        assert self.ledger.running == len(self.running)
        assert self.ledger.uncommitted == len(self.pending)
        assert all(transition.to is not State.RUNNING for transition in transitions)


TestLedger = LedgerMachine.TestCase


class ForgetsOnReport(Ledger):
    def report(self, results: Any, now: float, jitter: float) -> list[AttemptKey]:
        for result in results:
            self._running.pop(result.key, None)
        return []


class KeepsRunningOnDrop(Ledger):
    def drop(self, keys: Any) -> list[AttemptKey]:
        return [key for key in keys if key in self._running]


class RerunsItsOwnLapsed(Ledger):
    def take_lapsed(self, attempts: Any, now: float) -> None:
        for attempt in attempts:
            self._running.pop(attempt.key, None)
        super().take_lapsed(attempts, now)


class RunsWhatIsPending(Ledger):
    def take(self, attempts: Any, now: float) -> list[tuple[Attempt, float | None]]:
        pending, self._pending = self._pending, {}
        taken = super().take(attempts, now)
        self._pending |= pending
        return taken


@pytest.mark.parametrize("broken", [ForgetsOnReport, KeepsRunningOnDrop, RerunsItsOwnLapsed, RunsWhatIsPending])
def test_the_machine_catches_a_broken_ledger(broken: type[Ledger]) -> None:
    machine = type("Machine", (LedgerMachine,), {"make_ledger": broken})
    with pytest.raises(AssertionError):
        run_state_machine_as_test(machine, settings=settings(database=None, report_multiple_bugs=False))


@pytest.mark.parametrize(
    ("timeout", "deadline", "default", "expected"),
    [
        (None, None, None, None),
        (5.0, None, None, 5.0),
        (5.0, 4.0, None, 2.0),
        (1.0, 4.0, None, 1.0),
        (None, None, 3.0, 1.0),
    ],
)
def test_an_attempt_may_run_until_its_timeout_or_the_rest_of_its_deadline(
    timeout: float | None, deadline: float | None, default: float | None, expected: float | None
) -> None:
    attempt = make_attempt(1, TaskOptions(timeout=timeout, deadline=deadline), created_at=100.0)
    assert Ledger(default).take([attempt], 102.0) == [(attempt, expected)]


@pytest.mark.parametrize("retries", [0, 3])
@pytest.mark.parametrize("behind", [0.0, 0.001, 3600.0])
def test_what_storage_finds_overdue_ends_wherever_the_dispatchers_clock_is(behind: float, retries: int) -> None:
    ledger = Ledger()
    attempt = make_attempt(1, TaskOptions(deadline=5.0, max_retries=retries), created_at=10_000.0)
    ledger.take_overdue([attempt], 10_005.0 - behind)
    assert not ledger.running, "it is not dispatched, so nobody would ever report it"
    [transition] = ledger.pending(10)
    assert transition.to is State.FAILED
    assert transition.failure
    assert transition.failure.kind is FailureKind.TIMEOUT
