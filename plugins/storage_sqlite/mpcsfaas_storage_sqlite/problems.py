"""What SQLite's errors mean to the one who runs the platform."""

import sqlite3

from mpcsfaas.errors import SettingsError, StorageUnavailable

ADVICE = {
    sqlite3.SQLITE_BUSY: "another process has been writing for too long; try again",
    sqlite3.SQLITE_LOCKED: "another connection is writing; try again",
    sqlite3.SQLITE_FULL: "the disk is full; free some space and try again",
    sqlite3.SQLITE_IOERR: "the disk failed, or is full; look at the system's log",
    sqlite3.SQLITE_READONLY: "the file is read-only; make it and its folder writable",
    sqlite3.SQLITE_PERM: "access is denied; look at the permissions of the file and its folder",
    sqlite3.SQLITE_CANTOPEN: "the file cannot be opened; look at the permissions of it and its folder",
    sqlite3.SQLITE_CORRUPT: "the file is damaged; restore a copy, or move it away to begin anew",
    sqlite3.SQLITE_NOMEM: "there is no memory left",
}


def is_busy(error: Exception) -> bool:
    """True if another process is writing just now."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY


def explain(error: Exception, name: str) -> Exception:
    """The error to raise instead: one of the platform's own if the storage, not the call, is at fault."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_NOTADB:
        return SettingsError(f"{name} is not an SQLite database; choose another file")
    if code in ADVICE:
        return StorageUnavailable(f"{name}: {error}: {ADVICE[code]}")
    return error
