"""The audit log: one line of JSON for each request that changes something, and for each change of keys."""

import logging
import os
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from io import FileIO, TextIOWrapper
from logging.handlers import WatchedFileHandler
from pathlib import Path
from typing import Any

import msgspec
from starlette.types import Scope

from mpcsfaas.errors import SettingsError
from mpcsfaas.gateway.auth.keys import ApiKey
from mpcsfaas.gateway.auth.scopes import only_reads

STANDARD_ERROR = "-"
MOST_NAMED = 100
"""Ids that one line names; of more it tells the number alone."""


class AuditLog:
    """Writes lines to a file, which may be rotated meanwhile, or to standard error."""

    def __init__(self, place: str) -> None:
        """`place` is a path, or `-`. Raises `SettingsError` for a file that cannot be written."""
        self._handler = _handler(place)
        self._handler.setFormatter(logging.Formatter("%(message)s"))

    def write(self, **event: Any) -> None:
        """Write what happened now. Never raises: what has happened cannot be undone; `logging` tells of the error."""
        line = msgspec.json.encode({"at": datetime.now(UTC).isoformat(timespec="milliseconds"), **event}).decode()
        self._handler.handle(logging.LogRecord("mpcsfaas.audit", logging.INFO, "", 0, line, None, None))

    def request(self, scope: Scope, key: ApiKey | None, status: int, is_forwarded: bool) -> None:
        """Write about a request, unless it only asked. Who came without a key is the user who runs the gateway."""
        if only_reads(scope["method"], scope["path"]):
            return
        client = scope.get("client")
        self.write(
            method=scope["method"],
            path=scope["path"],
            status=status,
            key=key.id if key else None,
            tenant=key.tenant if key else None,
            address=_forwarded_for(scope) if is_forwarded else client and client[0],
            **scope.get("audit", {}),
        )

    def close(self) -> None:
        """Let go of the file. Idempotent."""
        self._handler.close()


class _PrivateFileHandler(WatchedFileHandler):
    """Makes files that only their owner can read, also after a rotation."""

    def _open(self) -> TextIOWrapper:
        made = os.open(self.baseFilename, os.O_WRONLY | os.O_APPEND | os.O_CREAT, mode=0o600)
        return TextIOWrapper(FileIO(made, "a"), encoding=self.encoding, write_through=True)


def note(scope: Scope, **details: Any) -> None:
    """Say what a request is about, for the audit log; of many ids the number alone."""
    scope["audit"] = details


def named(ids: Mapping[str, Any] | list[str]) -> list[str] | int:
    """Ids as a line tells them."""
    return list(ids) if len(ids) <= MOST_NAMED else len(ids)


def _forwarded_for(scope: Scope) -> str | None:
    """The address that the proxy saw: it adds it behind whatever its client claimed."""
    values = [value.decode("latin-1") for name, value in scope["headers"] if name == b"x-forwarded-for"]
    return values[-1].rpartition(",")[2].strip() if values else None


def _handler(place: str) -> logging.StreamHandler[Any]:
    if place == STANDARD_ERROR:
        return logging.StreamHandler(sys.stderr)
    path = Path(place).expanduser().absolute()
    try:
        return _PrivateFileHandler(path, encoding="utf-8")
    except OSError as error:
        raise SettingsError(
            f"The audit log {path} cannot be written: {error.strerror}. Choose another file."
        ) from error
