"""How attempts and tasks end."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from mpcsfaas.interfaces.storage import Completion
from mpcsfaas.model import TRANSITIONS, Budget, State, TaskResult, Transition
from mpcsfaas.recent import Ended
from mpcsfaas_storage_sqlite.parents import parents_ended
from mpcsfaas_storage_sqlite.rows import execute_values, many, micros, read
from mpcsfaas_storage_sqlite.schema import CANCELLED, COMPLETED, DELAYED, FAILED, READY, RUNNING, STATES
from mpcsfaas_storage_sqlite.transaction import Transaction, each

PHASES = {State.COMPLETED: COMPLETED, State.FAILED: FAILED, State.CANCELLED: CANCELLED}


class _Row(msgspec.Struct, array_like=True):
    position: int
    id: str
    phase: int
    attempt: int
    ttl: int
    group_name: str | None
    serializer: str
    owner: str | None


class Ending(NamedTuple):
    """The first columns of the outcome of a task that ends."""

    position: int
    sequence: int
    group_name: str | None
    finished_at: int
    drop_at: int


Change = tuple[Transition, _Row]

SELECT_NAMED = """
    SELECT position, id, phase, attempt, ttl, group_name, json_extract(head, '$[1]') AS serializer, owner
    FROM task WHERE id IN (SELECT value FROM json_each(?))
"""
SELECT_RUNNING = f"{SELECT_NAMED} AND phase = {RUNNING}"

UPDATE_ENDED = "UPDATE task SET phase = ?, holder = NULL WHERE position IN (SELECT value FROM json_each(?))"
UPDATE_CANCELLED = f"UPDATE task SET phase = {CANCELLED} WHERE position IN (SELECT value FROM json_each(?))"
UPDATE_REQUEUED = """
    WITH change (position, phase, ready_at, failures, losses) AS ((VALUES))
    UPDATE task SET
        phase = change.phase,
        ready_at = change.ready_at,
        failures = task.failures + change.failures,
        losses = task.losses + change.losses,
        holder = NULL
    FROM change WHERE task.position = change.position
"""
INSERT_ENDED = """
    INSERT INTO outcome (position, sequence, group_name, finished_at, drop_at, failure, history, value, stdout, stderr)
    (VALUES)
    ON CONFLICT (position) DO UPDATE SET
        sequence = excluded.sequence,
        group_name = excluded.group_name,
        finished_at = excluded.finished_at,
        drop_at = excluded.drop_at,
        failure = excluded.failure,
        history = history || ',' || excluded.history,
        value = excluded.value,
        stdout = excluded.stdout,
        stderr = excluded.stderr
"""
INSERT_REQUEUED = """
    INSERT INTO outcome (position, history, stdout, stderr) (VALUES)
    ON CONFLICT (position) DO UPDATE SET
        history = history || ',' || excluded.history,
        stdout = excluded.stdout,
        stderr = excluded.stderr
"""
INSERT_CANCELLED = """
    INSERT INTO outcome (position, sequence, group_name, finished_at, drop_at) (VALUES)
    ON CONFLICT (position) DO UPDATE SET
        sequence = excluded.sequence,
        group_name = excluded.group_name,
        finished_at = excluded.finished_at,
        drop_at = excluded.drop_at
"""


def check(transitions: Sequence[Transition]) -> None:
    """Raise `ValueError` for one that no attempt can make."""
    for transition in transitions:
        if transition.to not in TRANSITIONS[State.RUNNING]:
            raise ValueError(f"task {transition.key.task_id} cannot go from RUNNING to {transition.to}")


@each
def finish(transaction: Transaction, transitions: Sequence[Transition]) -> list[bool]:
    """See `Storage.finish`."""
    names = many({transition.key.task_id for transition in transitions})
    rows = read(transaction.connection, _Row, SELECT_RUNNING, names)
    held = {(row.id, row.attempt): row for row in rows}
    found = [held.pop(transition.key, None) for transition in transitions]
    changes = [(transition, row) for transition, row in zip(transitions, found, strict=True) if row]
    for transition, row in changes:
        if row.owner is not None:
            _stop(transaction, row.owner, int(transition.to is State.QUEUED))
    _end(transaction, [change for change in changes if change[0].to is not State.QUEUED])
    _requeue(transaction, [change for change in changes if change[0].to is State.QUEUED])
    transaction.effects.fenced += len(transitions) - len(changes)
    return [row is not None for row in found]


def _stop(transaction: Transaction, owner: str, queued: int) -> None:
    """A task of this owner leaves RUNNING, so that a held one may be ready. `queued` is 1 if it goes back to QUEUED."""
    transaction.owners.count(owner, queued, -1)
    transaction.effects.work = True


def _end(transaction: Transaction, changes: Sequence[Change]) -> None:
    if not changes:
        return
    by_phase: dict[int, list[int]] = {}
    for transition, row in changes:
        by_phase.setdefault(PHASES[transition.to], []).append(row.position)
    for phase, positions in by_phase.items():
        transaction.execute(UPDATE_ENDED, phase, many(positions))
        transaction.counters.move(RUNNING, phase, len(positions))
    endings = [_ending(transaction, row) for _, row in changes]
    outcomes = [
        (
            *ending,
            None if transition.failure is None else msgspec.json.encode(transition.failure).decode(),
            msgspec.json.encode(transition.record).decode(),
            transition.value,
            transition.stdout,
            transition.stderr,
        )
        for ending, (transition, _) in zip(endings, changes, strict=True)
    ]
    execute_values(transaction.connection, INSERT_ENDED, outcomes)
    parents_ended(transaction, [row.position for _, row in changes])
    for ending, (transition, row) in zip(endings, changes, strict=True):
        result = TaskResult(row.id, transition.to, row.serializer, transition.value, transition.failure)
        transaction.effects.ended.append(_ended(ending, result))


def _requeue(transaction: Transaction, changes: Sequence[Change]) -> None:
    if not changes:
        return
    execute_values(transaction.connection, UPDATE_REQUEUED, [_requeued(transaction, *change) for change in changes])
    outcomes = [
        (row.position, msgspec.json.encode(transition.record).decode(), transition.stdout, transition.stderr)
        for transition, row in changes
    ]
    execute_values(transaction.connection, INSERT_REQUEUED, outcomes)
    transaction.counters.move(RUNNING, READY, len(changes))
    transaction.effects.work = True


def _requeued(transaction: Transaction, transition: Transition, row: _Row) -> tuple[int, ...]:
    ready_at = micros(transition.ready_at)
    delayed = ready_at > transaction.now
    if delayed:
        transaction.delay_until(ready_at)
    failed, lost = transition.budget is Budget.RETRY, transition.budget is Budget.REDELIVERY
    return row.position, DELAYED if delayed else READY, ready_at, int(failed), int(lost)


@each
def cancel(transaction: Transaction, task_ids: Sequence[str]) -> list[State | None]:
    """See `Storage.cancel`. The holder stays noted, until it has been told."""
    rows = {row.id: row for row in read(transaction.connection, _Row, SELECT_NAMED, many(set(task_ids)))}
    known = [row for row in map(rows.get, dict.fromkeys(task_ids)) if row]
    _cancel(transaction, [row for row in known if row.phase <= RUNNING])
    states = {row.id: State.CANCELLED if row.phase <= RUNNING else STATES[row.phase] for row in known}
    return [states.get(task_id) for task_id in task_ids]


def _cancel(transaction: Transaction, rows: Sequence[_Row]) -> None:
    if not rows:
        return
    transaction.execute(UPDATE_CANCELLED, many(row.position for row in rows))
    endings = [_ending(transaction, row) for row in rows]
    execute_values(transaction.connection, INSERT_CANCELLED, endings)
    parents_ended(transaction, [row.position for row in rows])
    for ending, row in zip(endings, rows, strict=True):
        result = TaskResult(row.id, State.CANCELLED, row.serializer)
        transaction.effects.ended.append(_ended(ending, result))
    for phase, number in Counter(row.phase for row in rows).items():
        transaction.counters.move(phase, CANCELLED, number)
    for row in rows:
        if row.owner is not None:
            queued, running = (0, -1) if row.phase == RUNNING else (-1, 0)
            transaction.owners.count(row.owner, queued, running)
    transaction.effects.work = True


def _ending(transaction: Transaction, row: _Row) -> Ending:
    """A task ends now: the next place in the feed is its own."""
    transaction.counters.sequence += 1
    now = transaction.now
    return Ending(row.position, transaction.counters.sequence, row.group_name, now, now + row.ttl)


def _ended(ending: Ending, result: TaskResult) -> Ended:
    completion = Completion(ending.sequence, result.task_id, ending.group_name, result.state)
    return Ended(completion, result, ending.drop_at)
