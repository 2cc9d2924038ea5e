"""Who holds which attempt, and until when."""

import sqlite3
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

import msgspec

from mpcsfaas.model import Attempt, AttemptKey, Task
from mpcsfaas_storage_sqlite.owners import Queue, read_queue
from mpcsfaas_storage_sqlite.records import head_of
from mpcsfaas_storage_sqlite.rows import blob, inline, many, micros, read, seconds
from mpcsfaas_storage_sqlite.schema import CANCELLED, DELAYED, READY, RUNNING
from mpcsfaas_storage_sqlite.transaction import Transaction, each


class Claim(NamedTuple):
    """The arguments of every kind of claim."""

    dispatcher_id: str
    limit: int
    lease: float
    labels: Collection[frozenset[str]] = ()
    default_deadline: float | None = None


class Renewal(NamedTuple):
    """The arguments of `renew` and `adopt`."""

    dispatcher_id: str
    keys: Sequence[AttemptKey]
    lease: float


class _Labels(msgspec.Struct, array_like=True):
    number: int
    names: str


class _Claimed(msgspec.Struct, array_like=True):
    position: int
    id: str
    head: str
    payload: str | None
    phase: int
    priority: int
    attempt: int
    failures: int
    losses: int
    claimed_at: int | None
    owner: str | None


class _Key(msgspec.Struct, array_like=True):
    position: int
    id: str
    attempt: int


SELECT_TASK = f"""
    SELECT position, id, head, {inline("payload")} AS payload, phase, priority, attempt, failures, losses,
        claimed_at, owner
    FROM task JOIN payload USING (position)
"""
SELECT_READY = f"{SELECT_TASK} WHERE phase = {READY} AND labels = ? ORDER BY priority DESC, position LIMIT ?"
SELECT_LAPSED = f"{SELECT_TASK} WHERE phase = {RUNNING} AND leased_until <= ? ORDER BY leased_until LIMIT ?"
SELECT_RUNNING = f"{SELECT_TASK} WHERE id IN (SELECT value FROM json_each(?)) AND phase = {RUNNING}"
SELECT_OVERDUE = f"""
    {SELECT_TASK} WHERE phase <= {DELAYED} AND deadline_at IS NOT NULL AND deadline_at <= ? ORDER BY deadline_at LIMIT ?
"""
SELECT_OVERDUE_BY_DEFAULT = f"""
    {SELECT_TASK} WHERE phase <= {DELAYED} AND deadline_at IS NULL AND created_at <= ?1 AND position < coalesce(
        (SELECT position FROM task WHERE phase <= {DELAYED} AND created_at > ?1 ORDER BY position LIMIT 1), 1 << 62
    ) ORDER BY position LIMIT ?2
"""
"""In the order of acceptance, up to the first that is too young: those behind it are hardly older."""

SELECT_READY_LABELS = f"""
    WITH RECURSIVE present (number) AS (
        SELECT min(labels) FROM task WHERE phase = {READY}
        UNION ALL
        SELECT (SELECT min(labels) FROM task WHERE phase = {READY} AND labels > present.number)
        FROM present WHERE present.number IS NOT NULL
    )
    SELECT number, names FROM present JOIN labels USING (number)
"""
"""One look into the index for each set of labels, however many tasks have it."""

UPDATE_READY = f"UPDATE task SET phase = {READY} WHERE phase = {DELAYED} AND ready_at <= ?"
UPDATE_CLAIMED = f"""
    UPDATE task SET phase = {RUNNING}, attempt = attempt + 1, claimed_at = ?, holder = ?, leased_until = ?
    WHERE position IN (SELECT value FROM json_each(?))
"""
UPDATE_TAKEN = "UPDATE task SET holder = ?, leased_until = ? WHERE position IN (SELECT value FROM json_each(?))"
UPDATE_LEASE = "UPDATE task SET leased_until = ? WHERE position IN (SELECT value FROM json_each(?))"
UPDATE_TOLD = "UPDATE task SET holder = NULL WHERE position IN (SELECT value FROM json_each(?))"

SELECT_HELD = f"""
    SELECT position, id, attempt FROM task
    WHERE id IN (SELECT value FROM json_each(?)) AND phase = {RUNNING} AND holder = ?
"""
SELECT_TOLD = f"SELECT position, id, attempt FROM task WHERE phase = {CANCELLED} AND holder = ? ORDER BY position"


@each
def claim(transaction: Transaction, request: Claim) -> list[Attempt]:
    """See `Storage.claim`."""
    _end_delays(transaction)
    rows: list[_Claimed] = []
    for row in read(transaction.connection, _Labels, SELECT_READY_LABELS):
        queue = read_queue(row.names)
        if any(offer.issuperset(queue.labels) for offer in request.labels):
            room = _room(transaction, queue, request.limit)
            rows += read(transaction.connection, _Claimed, SELECT_READY, row.number, room)
    rows.sort(key=lambda row: (-row.priority, row.position))
    return _start(transaction, request, list(islice(_not_held(transaction, rows), request.limit)))


@each
def claim_overdue(transaction: Transaction, request: Claim) -> list[Attempt]:
    """See `Storage.claim_overdue`."""
    rows = read(transaction.connection, _Claimed, SELECT_OVERDUE, transaction.now, request.limit)
    if request.default_deadline is not None and len(rows) < request.limit:
        before = transaction.now - micros(request.default_deadline)
        limit = request.limit - len(rows)
        rows += read(transaction.connection, _Claimed, SELECT_OVERDUE_BY_DEFAULT, before, limit)
    return _start(transaction, request, rows)


@each
def claim_lapsed(transaction: Transaction, request: Claim) -> list[Attempt]:
    """See `Storage.claim_lapsed`."""
    rows = read(transaction.connection, _Claimed, SELECT_LAPSED, transaction.now, request.limit)
    return _take_over(transaction, request, rows)


@each
def adopt(transaction: Transaction, request: Renewal) -> list[Attempt]:
    """See `Storage.adopt`."""
    rows = read(transaction.connection, _Claimed, SELECT_RUNNING, many({key.task_id for key in request.keys}))
    return _take_over(transaction, request, [row for row in rows if AttemptKey(row.id, row.attempt) in request.keys])


@each
def renew(transaction: Transaction, request: Renewal) -> list[AttemptKey]:
    """See `Storage.renew`."""
    names = many({key.task_id for key in request.keys})
    rows = read(transaction.connection, _Key, SELECT_HELD, names, request.dispatcher_id)
    held = {AttemptKey(row.id, row.attempt): row.position for row in rows}
    kept = [held[key] for key in request.keys if key in held]
    if kept:
        transaction.execute(UPDATE_LEASE, transaction.now + micros(request.lease), many(kept))
    return [key for key in request.keys if key not in held]


@each
def has_cancellations(connection: sqlite3.Connection, dispatcher_id: str) -> bool:
    """True if `take_cancellations` would give something; asked first, because it hardly ever does."""
    return bool(read(connection, _Key, SELECT_TOLD, dispatcher_id))


@each
def take_cancellations(transaction: Transaction, dispatcher_id: str) -> list[AttemptKey]:
    """See `Storage.take_cancellations`."""
    rows = read(transaction.connection, _Key, SELECT_TOLD, dispatcher_id)
    if rows:
        transaction.execute(UPDATE_TOLD, many(row.position for row in rows))
    return [AttemptKey(row.id, row.attempt) for row in rows]


@each
def end_delays(transaction: Transaction, _: None) -> None:
    """Make ready what was delayed until now, and tell the waiters."""
    _end_delays(transaction)


def _end_delays(transaction: Transaction) -> None:
    if transaction.next_ready_at is not None and transaction.next_ready_at <= transaction.now:
        transaction.execute(UPDATE_READY, transaction.now)
        transaction.refresh_next_ready_at()
        transaction.effects.work = True


def _room(transaction: Transaction, queue: Queue, limit: int) -> int:
    """How many of a queue may start at once."""
    if queue.owner is None or queue.max_running is None:
        return limit
    return max(0, min(limit, queue.max_running - transaction.owners.running(queue.owner)))


def _not_held(transaction: Transaction, rows: Sequence[_Claimed]) -> Iterator[_Claimed]:
    """Those that may start, one after the other."""
    started: Counter[str] = Counter()
    for row in rows:
        if row.owner is not None:
            quota = head_of(row.head).quota
            running = transaction.owners.running(row.owner) + started[row.owner]
            if quota and quota.max_running is not None and running >= quota.max_running:
                continue
            started[row.owner] += 1
        yield row


def _start(transaction: Transaction, request: Claim, rows: Sequence[_Claimed]) -> list[Attempt]:
    """QUEUED → RUNNING."""
    if not rows:
        return []
    now = transaction.now
    positions = many(row.position for row in rows)
    transaction.execute(UPDATE_CLAIMED, now, request.dispatcher_id, now + micros(request.lease), positions)
    transaction.counters.move(READY, RUNNING, len(rows))
    for row in rows:
        if row.owner is not None:
            transaction.owners.count(row.owner, -1, 1)
    return [_attempt(transaction, row, row.attempt + 1, now) for row in rows]


def _take_over(transaction: Transaction, request: Claim | Renewal, rows: Sequence[_Claimed]) -> list[Attempt]:
    """RUNNING attempts change hands."""
    if rows:
        until = transaction.now + micros(request.lease)
        transaction.execute(UPDATE_TAKEN, request.dispatcher_id, until, many(row.position for row in rows))
    return [_attempt(transaction, row, row.attempt, row.claimed_at or 0) for row in rows]


def _attempt(transaction: Transaction, row: _Claimed, number: int, claimed_at: int) -> Attempt:
    head = head_of(row.head)
    payload = blob(transaction.connection, row.payload, "payload", "payload", row.position)
    task = Task(
        row.id,
        head.function_id,
        payload,
        head.serializer,
        head.created_at,
        head.options,
        head.retry_of,
        head.quota,
    )
    return Attempt(task, number, seconds(claimed_at), row.failures, row.losses)
