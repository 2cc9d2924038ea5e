"""Questions, answered from a snapshot."""

import sqlite3
from collections.abc import Sequence
from typing import NamedTuple, TypeVar

import msgspec

from mpcsfaas.interfaces.storage import Completion, Statistics
from mpcsfaas.model import TaskLogs, TaskRecord, TaskResult
from mpcsfaas_storage_sqlite.records import RECORD_COLUMNS, SELECT_RESULT, RecordRow, ResultRow
from mpcsfaas_storage_sqlite.rows import blob, inline, many, read, read_one, seconds
from mpcsfaas_storage_sqlite.schema import CANCELLED, COMPLETED, DELAYED, STATES
from mpcsfaas_storage_sqlite.transaction import SELECT_COUNTERS, Counters, each

Row = TypeVar("Row", bound=msgspec.Struct)

LARGEST_QUESTION = 1000
"""Ids asked for by one statement."""


class _Logs(msgspec.Struct, array_like=True):
    stdout: str | None
    stderr: str | None


class _Payload(msgspec.Struct, array_like=True):
    position: int
    id: str
    phase: int
    payload: str | None


class _Moment(msgspec.Struct, array_like=True):
    created_at: int


class _Completion(msgspec.Struct, array_like=True):
    sequence: int
    id: str
    group_name: str | None
    phase: int


SELECT_RECORD = f"SELECT {RECORD_COLUMNS} FROM task LEFT JOIN outcome USING (position)"
SELECT_PAYLOAD = f"SELECT position, id, phase, {inline('payload')} AS payload FROM task JOIN payload USING (position)"
SELECT_ENDED = "SELECT sequence, id, outcome.group_name, phase FROM outcome JOIN task USING (position)"
SELECT_FEED = f"{SELECT_ENDED} WHERE sequence > ? ORDER BY sequence LIMIT ?"
SELECT_GROUP_FEED = f"{SELECT_ENDED} WHERE outcome.group_name = ? AND sequence > ? ORDER BY sequence LIMIT ?"
SELECT_OLDEST = f"SELECT created_at FROM task WHERE phase <= {DELAYED} ORDER BY position LIMIT 1"


def get_tasks(connection: sqlite3.Connection, questions: Sequence[Sequence[str]]) -> list[list[TaskRecord | None]]:
    """See `Storage.get_tasks`."""
    rows = _read_of(connection, RecordRow, SELECT_RECORD, questions)
    known = {row.id: row.record() for row in rows}
    return [[known.get(task_id) for task_id in question] for question in questions]


def get_results(connection: sqlite3.Connection, questions: Sequence[Sequence[str]]) -> list[list[TaskResult | None]]:
    """See `Storage.get_results`."""
    rows = _read_of(connection, ResultRow, SELECT_RESULT, questions)
    known = {row.id: row.result(connection) for row in rows}
    return [[known.get(task_id) for task_id in question] for question in questions]


def get_payloads(connection: sqlite3.Connection, questions: Sequence[Sequence[str]]) -> list[list[bytes | None]]:
    """See `Storage.get_payloads`."""
    rows = _read_of(connection, _Payload, SELECT_PAYLOAD, questions)
    kept = {
        row.id: blob(connection, row.payload, "payload", "payload", row.position)
        for row in rows
        if row.phase not in (COMPLETED, CANCELLED)
    }
    return [[kept.get(task_id) for task_id in question] for question in questions]


def _read_of(
    connection: sqlite3.Connection, row_type: type[Row], select: str, questions: Sequence[Sequence[str]]
) -> list[Row]:
    """The rows of all tasks that are asked for, each once."""
    ids = list({task_id for question in questions for task_id in question})
    query = f"{select} WHERE id IN (SELECT value FROM json_each(?))"
    parts = [ids[start : start + LARGEST_QUESTION] for start in range(0, len(ids), LARGEST_QUESTION)]
    return [row for part in parts for row in read(connection, row_type, query, many(part))]


@each
def get_logs(connection: sqlite3.Connection, task_id: str) -> TaskLogs | None:
    """See `Storage.get_logs`."""
    query = "SELECT stdout, stderr FROM task LEFT JOIN outcome USING (position) WHERE id = ?"
    logs = read_one(connection, _Logs, query, task_id)
    return None if logs is None else TaskLogs(task_id, logs.stdout or "", logs.stderr or "")


class Following(NamedTuple):
    """The arguments of `completions`."""

    after: int
    limit: int = 1
    group: str | None = None


@each
def completions(connection: sqlite3.Connection, question: Following) -> list[Completion]:
    """See `Storage.completions`."""
    if question.group is None:
        rows = read(connection, _Completion, SELECT_FEED, question.after, question.limit)
    else:
        rows = read(connection, _Completion, SELECT_GROUP_FEED, question.group, question.after, question.limit)
    return [Completion(row.sequence, row.id, row.group_name, STATES[row.phase]) for row in rows]


@each
def latest_completion(connection: sqlite3.Connection, _: None) -> int:
    """See `Storage.latest_completion`."""
    (counters,) = read(connection, Counters, SELECT_COUNTERS)
    return counters.sequence


@each
def statistics(connection: sqlite3.Connection, fenced: int) -> Statistics:
    """See `Storage.statistics`."""
    (counters,) = read(connection, Counters, SELECT_COUNTERS)
    oldest = read_one(connection, _Moment, SELECT_OLDEST)
    return Statistics(
        queued=counters.queued,
        running=counters.running,
        completed=counters.completed,
        failed=counters.failed,
        cancelled=counters.cancelled,
        functions=counters.functions,
        fenced=fenced,
        oldest_queued_at=None if oldest is None else seconds(oldest.created_at),
    )
