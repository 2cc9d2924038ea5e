"""The tables, and how a file comes to have them.

A task is a narrow row in `task`, which changes with its state. Its payload lies apart, so that no change rewrites it,
and so does what became of it: a row in `outcome` from the end of its first attempt, with a `sequence` from its own end.
Every partial index is one of the questions that the storage is asked, and holds only the rows that can be its answer.
Moments and durations are whole microseconds.
"""

import sqlite3

from mpcsfaas.errors import SettingsError
from mpcsfaas.model import State

VERSION = 1

HELD, READY, DELAYED, RUNNING, COMPLETED, FAILED, CANCELLED = range(-1, 6)
"""Phases. A QUEUED task is READY, or DELAYED until a claim finds that its moment has come; before, it is HELD while one
of its parents has not ended."""

STATES = {
    HELD: State.QUEUED,
    READY: State.QUEUED,
    DELAYED: State.QUEUED,
    RUNNING: State.RUNNING,
    COMPLETED: State.COMPLETED,
    FAILED: State.FAILED,
    CANCELLED: State.CANCELLED,
}
"""The state of each phase."""

TABLES = f"""
CREATE TABLE function (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    deleted INTEGER NOT NULL,
    head BLOB NOT NULL,
    payload BLOB NOT NULL
);
CREATE TABLE labels (
    number INTEGER PRIMARY KEY,
    names TEXT NOT NULL UNIQUE
);
INSERT INTO labels VALUES (0, '[]');
CREATE TABLE task (
    position INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    function INTEGER NOT NULL,
    head TEXT NOT NULL,
    phase INTEGER NOT NULL,
    priority INTEGER NOT NULL,
    labels INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    ready_at INTEGER NOT NULL,
    deadline_at INTEGER,
    ttl INTEGER NOT NULL,
    group_name TEXT,
    idempotency_key TEXT,
    attempt INTEGER NOT NULL DEFAULT 0,
    failures INTEGER NOT NULL DEFAULT 0,
    losses INTEGER NOT NULL DEFAULT 0,
    claimed_at INTEGER,
    holder TEXT,
    leased_until INTEGER
);
CREATE TABLE payload (
    position INTEGER PRIMARY KEY,
    payload BLOB NOT NULL
);
CREATE TABLE outcome (
    position INTEGER PRIMARY KEY,
    sequence INTEGER,
    group_name TEXT,
    finished_at INTEGER,
    drop_at INTEGER,
    expired INTEGER NOT NULL DEFAULT 0,
    failure TEXT,
    history TEXT NOT NULL DEFAULT '',
    value BLOB NOT NULL DEFAULT x'',
    stdout TEXT NOT NULL DEFAULT '',
    stderr TEXT NOT NULL DEFAULT ''
);
CREATE TABLE dispatcher (
    id TEXT PRIMARY KEY,
    expires_at INTEGER NOT NULL,
    info TEXT NOT NULL
);
CREATE TABLE counters (
    queued INTEGER NOT NULL,
    running INTEGER NOT NULL,
    completed INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    cancelled INTEGER NOT NULL,
    functions INTEGER NOT NULL,
    position INTEGER NOT NULL,
    sequence INTEGER NOT NULL
);
INSERT INTO counters VALUES (0, 0, 0, 0, 0, 0, 0, 0);

CREATE UNIQUE INDEX task_key ON task (function, idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX task_ready ON task (labels, priority DESC, position) WHERE phase = {READY};
CREATE INDEX task_delayed ON task (ready_at) WHERE phase = {DELAYED};
CREATE INDEX task_queued ON task (position, created_at, deadline_at) WHERE phase <= {DELAYED};
CREATE INDEX task_deadline ON task (deadline_at) WHERE phase <= {DELAYED} AND deadline_at IS NOT NULL;
CREATE INDEX task_lease ON task (leased_until) WHERE phase = {RUNNING};
CREATE INDEX task_ended ON task (phase, position) WHERE phase >= {COMPLETED};
CREATE INDEX task_told ON task (holder) WHERE phase = {CANCELLED} AND holder IS NOT NULL;
CREATE INDEX task_function ON task (function, position);
CREATE INDEX task_group ON task (group_name, position) WHERE group_name IS NOT NULL;
CREATE INDEX outcome_drop ON outcome (expired, drop_at) WHERE drop_at IS NOT NULL;
CREATE INDEX outcome_feed ON outcome (sequence) WHERE sequence IS NOT NULL;
CREATE INDEX outcome_group ON outcome (group_name, sequence) WHERE group_name IS NOT NULL AND sequence IS NOT NULL;
PRAGMA user_version = {VERSION};
"""

ADDED = """
CREATE TABLE IF NOT EXISTS api_key (id TEXT PRIMARY KEY, record BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS owner (id TEXT PRIMARY KEY, queued INTEGER NOT NULL, running INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS wait (parent INTEGER, child INTEGER, PRIMARY KEY (parent, child)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS wait_child ON wait (child);
"""
ADDED_COLUMN = "ALTER TABLE task ADD COLUMN owner TEXT"
"""What files of this version may lack. Older releases, which do not know it, can go on using the file."""

HAS_COLUMN = "SELECT 1 FROM pragma_table_info('task') WHERE name = 'owner'"
IS_COMPLETE = f"{HAS_COLUMN} AND EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'wait_child')"


def establish(connection: sqlite3.Connection, name: str) -> None:
    """Give a new file its tables, and refuse one that is not ours. Raises `SettingsError`."""
    if _version(connection) == VERSION and connection.execute(IS_COMPLETE).fetchone():
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = _version(connection)
        if version == 0:
            _create(connection, name)
        elif version != VERSION:
            raise SettingsError(
                f"{name} has schema version {version}, and this mpcsfaas knows {VERSION}; "
                "upgrade mpcsfaas, or choose another file"
            )
        _complete(connection)
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _version(connection: sqlite3.Connection) -> int:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)


def _create(connection: sqlite3.Connection, name: str) -> None:
    if connection.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchone():
        raise SettingsError(f"{name} is another program's database; choose another file")
    _run(connection, TABLES)


def _complete(connection: sqlite3.Connection) -> None:
    _run(connection, ADDED)
    if not connection.execute(HAS_COLUMN).fetchone():
        connection.execute(ADDED_COLUMN)


def _run(connection: sqlite3.Connection, statements: str) -> None:
    for statement in statements.split(";\n"):
        connection.execute(statement)
