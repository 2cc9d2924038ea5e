"""What follows from the end of an attempt."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpcsfaas.dispatcher.outcomes import AT_ONCE, MAX_RETRY_DELAY, conclude, give_back, lapsed, overdue
from mpcsfaas.model import (
    REDELIVERED_KINDS,
    RETRIED_KINDS,
    TRANSITIONS,
    Attempt,
    AttemptResult,
    Budget,
    Failure,
    FailureKind,
    State,
    Task,
    TaskOptions,
)

DEFAULTS = TaskOptions()


def make_attempt(options: TaskOptions = DEFAULTS, number: int = 1, failures: int = 0, losses: int = 0) -> Attempt:
    task = Task(id="t", function_id="f", payload=b"p", serializer="json", created_at=1000.0, options=options)
    return Attempt(task, number, claimed_at=1001.0, failures=failures, losses=losses)


def make_failure(kind: FailureKind) -> AttemptResult:
    return AttemptResult("t", 1, value=b"error", failure=Failure(kind, "why"), worker="w", stdout="out")


options_strategy = st.builds(
    TaskOptions,
    max_retries=st.integers(0, 5),
    max_redeliveries=st.integers(0, 5),
    retry_delay=st.floats(0, 1000),
)


@given(
    options_strategy,
    st.sampled_from(FailureKind),
    st.integers(0, 60),
    st.integers(0, 60),
    st.floats(0, 1, exclude_max=True),
    st.none() | st.floats(1000, 3000),
)
def test_a_failure_is_tried_again_only_within_its_own_budget_and_the_deadline(
    options: TaskOptions, kind: FailureKind, failures: int, losses: int, jitter: float, deadline_at: float | None
) -> None:
    attempt = make_attempt(options, failures=failures, losses=losses)
    transition = conclude(attempt, make_failure(kind), 2000.0, jitter, deadline_at)

    assert transition.to in TRANSITIONS[State.RUNNING]
    if transition.to is State.QUEUED:
        expected = Budget.RETRY if kind in RETRIED_KINDS else Budget.REDELIVERY
        assert transition.budget is expected
        assert kind in RETRIED_KINDS | REDELIVERED_KINDS
        assert failures < options.max_retries if expected is Budget.RETRY else losses < options.max_redeliveries
        assert transition.ready_at == AT_ONCE or 2000.0 < transition.ready_at <= 2000.0 + MAX_RETRY_DELAY
        assert deadline_at is None or transition.ready_at < deadline_at
        assert transition.value == b""
        assert transition.failure is None
    else:
        assert transition.to is State.FAILED
        assert transition.failure is not None
        assert transition.failure.kind is kind
        assert transition.value == b"error"
    assert transition.record.failure is not None, "the history names every failure"


def test_a_success_completes_with_its_value_and_output() -> None:
    result = AttemptResult("t", 1, value=b"42", stdout="hello", worker="w", started_at=3.0)
    transition = conclude(make_attempt(), result, 2000.0, 0.5)
    assert (transition.to, transition.value, transition.stdout) == (State.COMPLETED, b"42", "hello")
    assert (transition.record.worker, transition.record.started_at) == ("w", 3.0)


@pytest.mark.parametrize(("failures", "longest"), [(0, 2.0), (1, 4.0), (2, 8.0), (40, MAX_RETRY_DELAY)])
def test_backoff_doubles_up_to_its_limit(failures: int, longest: float) -> None:
    attempt = make_attempt(TaskOptions(max_retries=100, retry_delay=2.0), failures=failures)
    transition = conclude(attempt, make_failure(FailureKind.EXCEPTION), 0.0, 0.999999)
    assert transition.ready_at == pytest.approx(longest, rel=1e-3)


def test_a_lost_attempt_comes_back_at_once_whatever_the_clocks_say() -> None:
    transition = conclude(make_attempt(), lapsed(make_attempt(), 50.0), 50.0, 0.9)
    assert (transition.to, transition.budget, transition.ready_at) == (State.QUEUED, Budget.REDELIVERY, AT_ONCE)


def test_giving_back_costs_no_budget() -> None:
    transition = give_back(make_attempt(TaskOptions(max_redeliveries=0)), 50.0)
    assert (transition.to, transition.budget, transition.ready_at) == (State.QUEUED, Budget.NONE, AT_ONCE)


def test_an_overdue_task_says_what_its_deadline_was() -> None:
    result = overdue(make_attempt(), 5.0, 2000.0)
    assert result.failure is not None
    assert result.failure.kind is FailureKind.TIMEOUT
    assert "5 s" in result.failure.message
