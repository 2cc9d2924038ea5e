"""Connections, made in the thread that uses them."""

import sqlite3
from pathlib import Path

from mpcsfaas.errors import StorageUnavailable
from mpcsfaas_storage_sqlite.options import SqliteOptions
from mpcsfaas_storage_sqlite.problems import explain
from mpcsfaas_storage_sqlite.schema import establish

STATEMENTS = 512
"""Compiled statements kept: each comes with up to nine different numbers of rows."""

CHECKPOINT_PAGES = 4000
CACHE_KIBIBYTES = 32_768
LARGEST_LEFT_LOG = 64 * 1024 * 1024


def connect_writer(path: Path, options: SqliteOptions) -> sqlite3.Connection:
    """Open for writing, and see to it that the tables are there. Raises `StorageUnavailable` or `SettingsError`."""
    connection = _connect(path, options)
    try:
        _prepare(connection, path)
    except sqlite3.Error as error:
        connection.close()
        raise explain(error, f"storage file {path}") from error
    except Exception:
        connection.close()
        raise
    return connection


def connect_reader(path: Path, options: SqliteOptions) -> sqlite3.Connection:
    """Open for reading a file that a writer has prepared. Raises `StorageUnavailable`."""
    connection = _connect(path, options)
    connection.execute("PRAGMA query_only = ON")
    return connection


def _connect(path: Path, options: SqliteOptions) -> sqlite3.Connection:
    try:
        connection = sqlite3.connect(
            path, timeout=options.busy_timeout, isolation_level=None, cached_statements=STATEMENTS
        )
    except sqlite3.Error as error:
        raise explain(error, f"storage file {path}") from error
    connection.execute(f"PRAGMA cache_size = -{CACHE_KIBIBYTES}")
    connection.execute("PRAGMA temp_store = MEMORY")
    return connection


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    ((mode,),) = connection.execute("PRAGMA journal_mode = WAL").fetchall()
    if mode != "wal":
        raise StorageUnavailable(f"storage file {path} cannot have a write-ahead log; put it on a local disk")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
    connection.execute(f"PRAGMA journal_size_limit = {LARGEST_LEFT_LOG}")
    establish(connection, f"storage file {path}")
