"""From a location to a connection that is logged in."""

import asyncio
import ssl
from collections.abc import Callable, Mapping
from typing import Any

from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff
from redis.exceptions import ResponseError
from redis.retry import Retry

from mpcsfaas_storage_redis.connection import Command, Connection
from mpcsfaas_storage_redis.location import Location


async def connect(location: Location, timeout: float, heard: Callable[[Any], None] | None = None) -> Connection:
    """Raises `RedisError` or `OSError`; at the latest after `timeout` seconds, which limits each answer too."""
    async with asyncio.timeout(timeout):
        connection = await _open(location, timeout, lambda: Connection(timeout, heard))
        try:
            await _log_in(connection, location.settings)
        except BaseException:
            await connection.close()
            raise
    return connection


async def _open(location: Location, timeout: float, make: Callable[[], Connection]) -> Connection:
    loop = asyncio.get_running_loop()
    if location.path:
        _, connection = await loop.create_unix_connection(make, location.path)
        return connection
    host, port = await _primary(location, timeout) if location.sentinel else location.hosts[0]
    tls = _tls(location.settings) if location.is_tls else None
    _, connection = await loop.create_connection(make, host, port, ssl=tls)
    return connection


async def _log_in(connection: Connection, settings: Mapping[str, Any]) -> None:
    commands: list[Command] = []
    if "username" in settings or "password" in settings:
        commands.append(("AUTH", settings.get("username", "default"), settings.get("password", "")))
    if "client_name" in settings:
        commands.append(("CLIENT", "SETNAME", settings["client_name"]))
    if settings.get("db"):
        commands.append(("SELECT", settings["db"]))
    for answer in await connection.exchange(commands) if commands else []:
        if isinstance(answer, ResponseError):
            raise answer


def _tls(settings: Mapping[str, Any]) -> ssl.SSLContext:
    context = ssl.create_default_context()
    verification = settings.get("ssl_cert_reqs", ssl.CERT_REQUIRED)
    context.check_hostname = settings.get("ssl_check_hostname", True) and verification is not ssl.CERT_NONE
    context.verify_mode = verification
    if "ssl_ca_certs" in settings:
        context.load_verify_locations(settings["ssl_ca_certs"])
    if "ssl_certfile" in settings:
        context.load_cert_chain(settings["ssl_certfile"], settings.get("ssl_keyfile"))
    return context


async def _primary(location: Location, timeout: float) -> tuple[str, int]:
    """Ask the sentinels."""
    settings: dict[str, Any] = {"socket_timeout": timeout, "protocol": 2, "retry": Retry(NoBackoff(), 0)}
    if location.is_tls:
        tls = {name: value for name, value in location.settings.items() if name.startswith("ssl_")}
        settings |= {"ssl": True, **tls}
    make: Any = Sentinel
    sentinel = make(location.hosts, sentinel_kwargs={**settings, **location.sentinel_settings})
    try:
        host, port = await sentinel.discover_master(location.sentinel)
    finally:
        for client in sentinel.sentinels:
            await client.aclose()
    return str(host), int(port)
