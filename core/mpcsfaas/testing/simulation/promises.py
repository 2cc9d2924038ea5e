"""What must be true of every history, once it has come to its end."""

from collections.abc import Iterable, Iterator, Mapping

from mpcsfaas.interfaces.storage import Completion
from mpcsfaas.model import (
    REDELIVERED_KINDS,
    RETRIED_KINDS,
    AttemptRecord,
    FailureKind,
    State,
    Task,
    TaskRecord,
    TaskResult,
)
from mpcsfaas.testing.simulation.behaviour import Runs

GIVEN_BACK = "given back"


def broken_promises(
    accepted: Mapping[str, Task],
    records: Mapping[str, TaskRecord | None],
    results: Mapping[str, TaskResult | None],
    completions: list[Completion],
    runs: Runs,
) -> Iterator[str]:
    """Everything that is wrong with the tasks that were accepted, in words."""
    for task_id in accepted:
        record, result = records[task_id], results[task_id]
        if record is None or result is None:
            yield f"{task_id} was accepted, and is unknown"
            continue
        yield from (f"{task_id} {what}" for what in _of_state(record, completions))
        yield from (f"{task_id} {what}" for what in _of_budgets(record))
        yield from (f"{task_id} {what}" for what in _of_result(record, result, runs))
    yield from (f"{key} ran {runs.began.count(key)} times" for key in runs.repeated())


def changed_ends(ended: Mapping[str, State], records: Mapping[str, TaskRecord | None]) -> Iterator[str]:
    """Tasks whose state is another than the one that a client was told, which was terminal."""
    for task_id, state in ended.items():
        record = records[task_id]
        if record and record.state is not state:
            yield f"{task_id} had ended as {state}, and is {record.state}"


def needless_losses(records: Iterable[TaskRecord | None]) -> Iterator[str]:
    """What was lost in a history in which nothing went wrong."""
    for record in filter(None, records):
        for attempt in record.history:
            if attempt.failure and attempt.failure.kind is FailureKind.WORKER_LOST:
                yield f"{record.id} was lost for no reason: {attempt.failure.message}"


def _of_state(record: TaskRecord, completions: list[Completion]) -> Iterator[str]:
    if not record.state.is_terminal:
        yield f"is {record.state} for ever"
        return
    told = [completion.state for completion in completions if completion.task_id == record.id]
    if told != [record.state]:
        yield f"is {record.state}, and in the feed of ended tasks {told}"


def _of_budgets(record: TaskRecord) -> Iterator[str]:
    options = record.options
    if record.failures > options.max_retries:
        yield f"was retried {record.failures} times, of {options.max_retries}"
    if record.losses > options.max_redeliveries:
        yield f"was delivered again {record.losses} times, of {options.max_redeliveries}"
    numbers = [attempt.number for attempt in record.history]
    expected = list(range(1, record.attempt + 1))
    if numbers != expected and not (record.state is State.CANCELLED and numbers == expected[:-1]):
        yield f"has had {record.attempt} attempts, and a history of {numbers}"
    yield from _of_history(record)


def _of_history(record: TaskRecord) -> Iterator[str]:
    """What it cost is what its history says."""
    again = record.history[:-1] if record.state in (State.COMPLETED, State.FAILED) else record.history
    failures = sum(_is_of(attempt, RETRIED_KINDS) for attempt in again)
    losses = sum(_is_of(attempt, REDELIVERED_KINDS) for attempt in again)
    if (failures, losses) != (record.failures, record.losses):
        yield f"failed {failures} and was lost {losses} times, but {record.failures} and {record.losses} are counted"
    if any(attempt.failure is None for attempt in again):
        yield "ran again after it had succeeded"


def _is_of(attempt: AttemptRecord, kinds: object) -> bool:
    failure = attempt.failure
    return failure is not None and failure.kind in kinds and GIVEN_BACK not in failure.message  # type: ignore[operator]


def _of_result(record: TaskRecord, result: TaskResult, runs: Runs) -> Iterator[str]:
    if result.state is not record.state:
        yield f"is {record.state}, but its result {result.state}"
    if record.state is not State.COMPLETED:
        return
    key = runs.values.get(result.value)
    if key is None:
        yield f"has a value that no run returned: {result.value!r}"
    elif key != (record.id, record.attempt):
        yield f"is on attempt {record.attempt}, but has the result of {key}"
