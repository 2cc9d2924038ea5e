"""Tasks as the public sees them, from their rows."""

import sqlite3

import msgspec

from mpcsfaas.model import AttemptRecord, Failure, TaskRecord, TaskResult
from mpcsfaas_storage_sqlite.acceptance import Head
from mpcsfaas_storage_sqlite.rows import blob, inline, seconds
from mpcsfaas_storage_sqlite.schema import COMPLETED, STATES


class RecordRow(msgspec.Struct, array_like=True):
    """What a record is made of: `RECORD_COLUMNS`."""

    position: int
    id: str
    head: str
    phase: int
    attempt: int
    failures: int
    losses: int
    ready_at: int
    finished_at: int | None
    expired: int | None
    failure: str | None
    history: str | None

    def record(self) -> TaskRecord:
        """The task's record."""
        head = head_of(self.head)
        return TaskRecord(
            id=self.id,
            function_id=head.function_id,
            serializer=head.serializer,
            state=STATES[self.phase],
            created_at=head.created_at,
            options=head.options,
            attempt=self.attempt,
            failures=self.failures,
            losses=self.losses,
            ready_at=seconds(self.ready_at),
            finished_at=None if self.finished_at is None else seconds(self.finished_at),
            failure=_failure(self.failure),
            history=_history(self.history or ""),
            expired=bool(self.expired),
            retry_of=head.retry_of,
        )


class ResultRow(msgspec.Struct, array_like=True):
    """The columns of `SELECT_RESULT`."""

    position: int
    id: str
    head: str
    phase: int
    expired: int | None
    failure: str | None
    value: str | None

    def result(self, connection: sqlite3.Connection) -> TaskResult:
        """The task's result."""
        value = blob(connection, self.value, "outcome", "value", self.position)
        serializer = head_of(self.head).serializer
        return TaskResult(self.id, STATES[self.phase], serializer, value, _failure(self.failure), bool(self.expired))


RECORD_COLUMNS = """
    position, id, head, phase, attempt, failures, losses, ready_at, finished_at, expired, failure, history
"""
"""Payload and value are not among the columns, so they are not read."""

SELECT_RESULT = f"""
    SELECT position, id, head, phase, expired, failure,
        CASE WHEN value IS NULL OR phase < {COMPLETED} THEN '' ELSE {inline("value")} END AS value
    FROM task LEFT JOIN outcome USING (position)
"""


def head_of(text: str) -> Head:
    """The packed part of a task."""
    return _HEADS.decode(text)


_HEADS = msgspec.json.Decoder(Head)


def _failure(text: str | None) -> Failure | None:
    return None if text is None else msgspec.json.decode(text, type=Failure)


def _history(text: str) -> tuple[AttemptRecord, ...]:
    return msgspec.json.decode(f"[{text}]", type=tuple[AttemptRecord, ...])
