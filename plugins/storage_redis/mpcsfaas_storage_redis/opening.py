"""What must be true of a server before anything is kept there."""

import uuid

from mpcsfaas.errors import SettingsError
from mpcsfaas_storage_redis.client import Client

SCHEMA = b"2"
OLDEST_VERSION = (6, 2)


async def check(client: Client, name: str) -> bytes:
    """The database's own name. Raises `SettingsError` for a server that cannot be used, or `StorageUnavailable`."""
    (text,), _ = await client.ask_with_moment([("INFO",)])
    info = dict(line.split(":", 1) for line in text.decode().splitlines() if ":" in line)
    _check_version(info, name)
    _check_eviction(info, name)
    schema, database = await client.change("open", SCHEMA, str(uuid.uuid4()))
    if schema != SCHEMA:
        raise SettingsError(f"{name} has data of version {schema.decode()}, not {SCHEMA.decode()}; use another prefix")
    return bytes(database)


def _check_version(info: dict[str, str], name: str) -> None:
    version = info.get("redis_version", "0.0")
    major, minor = (int(number) for number in version.split(".")[:2])
    if (major, minor) < OLDEST_VERSION:
        raise SettingsError(f"{name} is version {version}; Redis 6.2, Valkey 7.2 or later is needed")


def _check_eviction(info: dict[str, str], name: str) -> None:
    """A server that drops keys when its memory is full would lose tasks."""
    policy = info.get("maxmemory_policy", "noeviction")
    if info.get("maxmemory", "0") != "0" and policy.startswith("allkeys"):
        raise SettingsError(
            f"{name} drops keys when its memory is full (maxmemory-policy {policy}), and so would lose tasks;"
            " set maxmemory-policy noeviction"
        )
