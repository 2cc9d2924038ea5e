"""What follows from the end of an attempt: done, tried again, or failed for good. Pure functions."""

from mpcsfaas.model import (
    REDELIVERED_KINDS,
    RETRIED_KINDS,
    Attempt,
    AttemptRecord,
    AttemptResult,
    Budget,
    Failure,
    FailureKind,
    State,
    TaskResult,
    Transition,
)

AT_ONCE = 0.0
"""A moment that is past for everybody: the clock of the storage, which judges it, may be behind the one here."""
MAX_RETRY_DELAY = 300.0
"""Seconds at which the backoff between retries stops growing."""


def conclude(
    attempt: Attempt, result: AttemptResult, now: float, jitter: float, deadline_at: float | None = None
) -> Transition:
    """The transition that `result` asks for. `jitter` is a random number in [0, 1).

    A retry that could only begin at or after `deadline_at` is not made.
    """
    if result.failure is None:
        return _transition(attempt, result, State.COMPLETED)
    budget = _budget(attempt, result.failure.kind)
    delay = _delay(attempt, budget, jitter)
    if budget is Budget.NONE or (deadline_at is not None and now + delay >= deadline_at):
        return _transition(attempt, result, State.FAILED)
    return _transition(attempt, result, State.QUEUED, now + delay if delay else AT_ONCE, budget)


def give_back(attempt: Attempt, now: float) -> Transition:
    """Return an attempt that is stopped or not begun on our own account: ready at once, at no cost to any budget."""
    failure = Failure(FailureKind.WORKER_LOST, "It was given back before it had ended, and is queued again.")
    return _transition(attempt, failed(attempt, failure, now), State.QUEUED, AT_ONCE)


def lapsed(attempt: Attempt, now: float) -> AttemptResult:
    """The result of an attempt whose lease ran out."""
    message = (
        f"Attempt {attempt.number} was lost: its dispatcher went away (its lease ran out). "
        "Look at that dispatcher's log; the task runs again while max_redeliveries allows."
    )
    return failed(attempt, Failure(FailureKind.WORKER_LOST, message), now)


def overdue(attempt: Attempt, deadline: float, now: float) -> AttemptResult:
    """The result of a task whose deadline passed before a worker was free."""
    message = (
        f"The task's deadline of {deadline:g} s passed while it was waiting in the queue. "
        "Raise the deadline or add workers."
    )
    return failed(attempt, Failure(FailureKind.TIMEOUT, message), now)


def parent_failure(parent_id: str, result: TaskResult | None) -> Failure | None:
    """Why a task fails whose parent came to this; None if the parent left a result.

    It names the one that was the first to fail, however many generations ago.
    """
    if result is None:
        return _parent_failed(f"Its parent {parent_id} is not known (any more). Submit both anew.")
    if result.expired:
        return _parent_failed(
            f"The result of its parent {parent_id} has expired. Submit both anew, the parent with a longer ttl."
        )
    if result.state is State.COMPLETED:
        return None
    if result.failure is None:
        return _parent_failed(f"Its parent {parent_id} is {result.state}, so there is no result.")
    if result.failure.kind is FailureKind.PARENT_FAILED:
        return result.failure
    reason = ": ".join(filter(None, (result.failure.type, result.failure.message)))
    return _parent_failed(f"Its parent {parent_id} failed ({result.failure.kind}): {reason}", result.failure.traceback)


def _parent_failed(message: str, traceback: str = "") -> Failure:
    return Failure(FailureKind.PARENT_FAILED, message, traceback=traceback)


def failed(attempt: Attempt, failure: Failure, now: float) -> AttemptResult:
    """A result made by the platform itself, without a worker's word."""
    return AttemptResult(attempt.task.id, attempt.number, failure=failure, finished_at=now)


def _budget(attempt: Attempt, kind: FailureKind) -> Budget:
    options = attempt.task.options
    if kind in RETRIED_KINDS and attempt.failures < options.max_retries:
        return Budget.RETRY
    if kind in REDELIVERED_KINDS and attempt.losses < options.max_redeliveries:
        return Budget.REDELIVERY
    return Budget.NONE


def _delay(attempt: Attempt, budget: Budget, jitter: float) -> float:
    """Exponential backoff with full jitter (Brooker, "Exponential Backoff And Jitter", AWS 2015); none for a loss."""
    if budget is not Budget.RETRY:
        return 0.0
    doublings = min(attempt.failures, 32)
    return jitter * min(MAX_RETRY_DELAY, attempt.task.options.retry_delay * 2.0**doublings)


def _transition(
    attempt: Attempt, result: AttemptResult, to: State, ready_at: float = 0.0, budget: Budget = Budget.NONE
) -> Transition:
    record = AttemptRecord(
        number=attempt.number,
        worker=result.worker,
        claimed_at=attempt.claimed_at,
        sent_at=result.sent_at,
        started_at=result.started_at,
        finished_at=result.finished_at,
        failure=result.failure,
    )
    return Transition(
        key=attempt.key,
        to=to,
        record=record,
        value=b"" if to is State.QUEUED else result.value,
        failure=None if to is State.QUEUED else result.failure,
        stdout=result.stdout,
        stderr=result.stderr,
        ready_at=ready_at,
        budget=budget,
    )
