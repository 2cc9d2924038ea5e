"""How attempts and tasks end."""

from collections.abc import Sequence

import msgspec

from mpcsfaas.model import TRANSITIONS, AttemptKey, Budget, State, Transition
from mpcsfaas_storage_sqlite.rows import execute_values, many, micros, read
from mpcsfaas_storage_sqlite.schema import CANCELLED, COMPLETED, DELAYED, FAILED, READY, RUNNING, STATES
from mpcsfaas_storage_sqlite.transaction import Transaction, each


class _Held(msgspec.Struct, array_like=True):
    position: int
    id: str
    attempt: int
    ready_at: int


class _Known(msgspec.Struct, array_like=True):
    position: int
    id: str
    phase: int


SELECT_RUNNING = f"""
    SELECT position, id, attempt, ready_at FROM task
    WHERE id IN (SELECT value FROM json_each(?)) AND phase = {RUNNING}
"""
SELECT_KNOWN = "SELECT position, id, phase FROM task WHERE id IN (SELECT value FROM json_each(?))"

UPDATE_FINISHED = """
    WITH change (position, phase, ready_at, failures, losses, finished_at, sequence) AS ((VALUES))
    UPDATE task SET
        phase = change.phase,
        ready_at = change.ready_at,
        failures = task.failures + change.failures,
        losses = task.losses + change.losses,
        holder = NULL,
        leased_until = NULL,
        finished_at = change.finished_at,
        drop_at = change.finished_at + task.ttl,
        sequence = change.sequence
    FROM change WHERE task.position = change.position
"""
INSERT_OUTCOME = """
    INSERT INTO outcome (position, failure, history, value, stdout, stderr) (VALUES)
    ON CONFLICT (position) DO UPDATE SET
        failure = excluded.failure,
        history = history || ',' || excluded.history,
        value = excluded.value,
        stdout = excluded.stdout,
        stderr = excluded.stderr
"""
UPDATE_CANCELLED = f"""
    WITH change (position, finished_at, sequence) AS ((VALUES))
    UPDATE task SET
        phase = {CANCELLED},
        leased_until = NULL,
        finished_at = change.finished_at,
        drop_at = change.finished_at + task.ttl,
        sequence = change.sequence
    FROM change WHERE task.position = change.position
"""
PHASES = {State.COMPLETED: COMPLETED, State.FAILED: FAILED, State.CANCELLED: CANCELLED}


@each
def finish(transaction: Transaction, transitions: Sequence[Transition]) -> list[bool]:
    """See `Storage.finish`."""
    names = many({transition.key.task_id for transition in transitions})
    rows = read(transaction.connection, _Held, SELECT_RUNNING, names)
    held = {AttemptKey(row.id, row.attempt): row for row in rows}
    applied = [(transition, held.pop(transition.key, None)) for transition in transitions]
    changes = [_change(transaction, transition, row) for transition, row in applied if row]
    if changes:
        execute_values(transaction.connection, UPDATE_FINISHED, changes)
        outcomes = [_outcome(row.position, transition) for transition, row in applied if row]
        execute_values(transaction.connection, INSERT_OUTCOME, outcomes)
    transaction.effects.fenced += len(applied) - len(changes)
    return [row is not None for _, row in applied]


def check(transitions: Sequence[Transition]) -> None:
    """Raise `ValueError` for one that no attempt can make."""
    for transition in transitions:
        if transition.to not in TRANSITIONS[State.RUNNING]:
            raise ValueError(f"task {transition.key.task_id} cannot go from RUNNING to {transition.to}")


def _change(transaction: Transaction, transition: Transition, row: _Held) -> tuple[int | None, ...]:
    if transition.to is not State.QUEUED:
        phase = PHASES[transition.to]
        sequence = _next_sequence(transaction, RUNNING, phase)
        return row.position, phase, row.ready_at, 0, 0, transaction.now, sequence
    ready_at = micros(transition.ready_at)
    delayed = ready_at > transaction.now
    if delayed:
        transaction.delay_until(ready_at)
    transaction.counters.move(RUNNING, READY)
    transaction.effects.work = True
    failed, lost = transition.budget is Budget.RETRY, transition.budget is Budget.REDELIVERY
    return row.position, DELAYED if delayed else READY, ready_at, int(failed), int(lost), None, None


def _outcome(position: int, transition: Transition) -> tuple[object, ...]:
    ended = transition.to is not State.QUEUED
    return (
        position,
        msgspec.json.encode(transition.failure).decode() if ended and transition.failure else None,
        msgspec.json.encode(transition.record).decode(),
        transition.value if ended else b"",
        transition.stdout,
        transition.stderr,
    )


@each
def cancel(transaction: Transaction, task_ids: Sequence[str]) -> list[State | None]:
    """See `Storage.cancel`. The holder stays noted, until it has been told."""
    rows = {row.id: row for row in read(transaction.connection, _Known, SELECT_KNOWN, many(set(task_ids)))}
    unfinished = [row for row in map(rows.get, dict.fromkeys(task_ids)) if row and not STATES[row.phase].is_terminal]
    if unfinished:
        changes = [
            (row.position, transaction.now, _next_sequence(transaction, row.phase, CANCELLED)) for row in unfinished
        ]
        execute_values(transaction.connection, UPDATE_CANCELLED, changes)
        transaction.effects.work = True
    ended = {row.id for row in unfinished}
    return [_state_after(rows.get(task_id), task_id in ended) for task_id in task_ids]


def _state_after(row: _Known | None, is_cancelled: bool) -> State | None:
    if row is None:
        return None
    return State.CANCELLED if is_cancelled else STATES[row.phase]


def _next_sequence(transaction: Transaction, before: int, after: int) -> int:
    """The place in the feed of one more task that ended."""
    transaction.counters.move(before, after)
    transaction.effects.completion = True
    transaction.counters.sequence += 1
    return transaction.counters.sequence
