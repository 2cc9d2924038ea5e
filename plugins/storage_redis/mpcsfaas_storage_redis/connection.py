"""Connections, made and used in the thread that they belong to."""

from collections.abc import Sequence
from typing import Any, Protocol, cast

import redis
from redis.backoff import NoBackoff
from redis.connection import Connection, SSLConnection, UnixDomainSocketConnection
from redis.exceptions import NoScriptError, ResponseError
from redis.retry import Retry
from redis.sentinel import Sentinel

from mpcsfaas_storage_redis.location import Location
from mpcsfaas_storage_redis.scripts import load, names

Command = Sequence[str | bytes | int]


class Wire(Protocol):
    """What is used of redis-py's connections."""

    def connect(self) -> None:
        """Connect and log in."""

    def disconnect(self) -> None:
        """Hang up."""

    def can_read(self, timeout: float) -> bool:
        """True if something came, be it the end."""

    def pack_commands(self, commands: Sequence[Command]) -> Sequence[bytes]:
        """The bytes to send."""

    def send_packed_command(self, command: Sequence[bytes]) -> None:
        """Send bytes."""

    def read_response(self) -> Any:
        """The next answer, or message."""


def connect(location: Location, timeout: float | None, connect_timeout: float | None = None) -> Wire:
    """A connection that is open; `timeout` limits each read, for ever if None. Raises `RedisError` or `OSError`."""
    connection = cast(Wire, _make(location, timeout, connect_timeout or timeout))
    connection.connect()
    return connection


def _make(location: Location, timeout: float | None, connect_timeout: float | None) -> object:
    settings: dict[str, Any] = {
        **location.settings,
        "socket_timeout": timeout,
        "retry": Retry(NoBackoff(), 0),
        "protocol": 2,
    }
    kind: Any = UnixDomainSocketConnection
    if location.path:
        return kind(path=location.path, **settings)
    kind = SSLConnection if location.is_tls else Connection
    host, port = _primary(location, connect_timeout) if location.sentinel else location.hosts[0]
    return kind(host=host, port=port, socket_keepalive=True, socket_connect_timeout=connect_timeout, **settings)


def _primary(location: Location, timeout: float | None) -> tuple[str, int]:
    """Ask the sentinels."""
    settings = {"socket_timeout": timeout, "protocol": 2, "retry": Retry(NoBackoff(), 0)}
    tls = {name: value for name, value in location.settings.items() if name.startswith("ssl_")}
    if location.is_tls:
        settings |= {"ssl": True, **tls}
    make: Any = Sentinel
    sentinel = make(location.hosts, sentinel_kwargs={**settings, **location.sentinel_settings})
    try:
        host, port = sentinel.discover_master(location.sentinel)
    finally:
        for client in sentinel.sentinels:
            client.close()
    return str(host), int(port)


class Session:
    """A connection for commands: many at a time, answered in order."""

    def __init__(self, connection: Wire) -> None:
        self._connection = connection

    def is_stale(self) -> bool:
        """True if the server has hung up. Nothing else is ever unasked for."""
        try:
            return self._connection.can_read(0)
        except (redis.RedisError, OSError):
            return True

    def exchange(self, commands: Sequence[Command]) -> list[Any]:
        """The answer to each command; an error of one command is an answer. Raises if the connection is lost."""
        answers = self._exchange(commands)
        missing = [index for index, answer in enumerate(answers) if isinstance(answer, NoScriptError)]
        if missing:
            self._exchange([("SCRIPT", "LOAD", load(name).text) for name in names()])
            for index, answer in zip(missing, self._exchange([commands[index] for index in missing]), strict=True):
                answers[index] = answer
        return answers

    def _exchange(self, commands: Sequence[Command]) -> list[Any]:
        self._connection.send_packed_command(self._connection.pack_commands(commands))
        return [self._answer() for _ in commands]

    def _answer(self) -> Any:
        try:
            return self._connection.read_response()
        except ResponseError as error:
            return error

    def close(self) -> None:
        """Hang up."""
        self._connection.disconnect()
