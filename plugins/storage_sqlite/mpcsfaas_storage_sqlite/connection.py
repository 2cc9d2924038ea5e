"""Connections. None waits for another process: whoever uses them tries again."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

from mpcsfaas.errors import StorageUnavailable
from mpcsfaas_storage_sqlite.location import path_of, prepare
from mpcsfaas_storage_sqlite.options import SqliteOptions
from mpcsfaas_storage_sqlite.problems import explain
from mpcsfaas_storage_sqlite.schema import establish

STATEMENTS = 512
"""Compiled statements kept: each comes with up to nine different numbers of rows."""

CACHE_KIBIBYTES = 32_768
LARGEST_LEFT_LOG = 64 * 1024 * 1024


def connect_writer(url: str, options: SqliteOptions) -> sqlite3.Connection:
    """Open for writing, and make file and tables if need be. Raises `StorageUnavailable` or `SettingsError`."""
    path = path_of(url)
    prepare(path)
    return _connect(path, options, _set_up_writer)


def connect_reader(url: str, options: SqliteOptions) -> sqlite3.Connection:
    """Open for reading a file that a writer has prepared. Raises `StorageUnavailable` or `SettingsError`."""
    return _connect(path_of(url), options, _set_up_reader)


def _connect(
    path: Path, options: SqliteOptions, set_up: Callable[[sqlite3.Connection, str], None]
) -> sqlite3.Connection:
    name = f"storage file {path}"
    try:
        connection = sqlite3.connect(
            path,
            timeout=options.busy_timeout,
            isolation_level=None,
            cached_statements=STATEMENTS,
            check_same_thread=False,
        )
    except sqlite3.Error as error:
        raise explain(error, name) from error
    try:
        connection.execute(f"PRAGMA cache_size = -{CACHE_KIBIBYTES}")
        connection.execute("PRAGMA temp_store = MEMORY")
        set_up(connection, name)
        connection.execute("PRAGMA busy_timeout = 0")
    except Exception as error:
        connection.close()
        if isinstance(error, sqlite3.Error):
            raise explain(error, name) from error
        raise
    return connection


def _set_up_writer(connection: sqlite3.Connection, name: str) -> None:
    ((mode,),) = connection.execute("PRAGMA journal_mode = WAL").fetchall()
    if mode != "wal":
        raise StorageUnavailable(f"{name} cannot have a write-ahead log; put it on a local disk")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    connection.execute(f"PRAGMA journal_size_limit = {LARGEST_LEFT_LOG}")
    establish(connection, name)


def _set_up_reader(connection: sqlite3.Connection, name: str) -> None:
    connection.execute("PRAGMA query_only = ON")
