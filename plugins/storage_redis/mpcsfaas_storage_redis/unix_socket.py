"""`unix`: the same, through a socket of this machine."""

from typing import ClassVar

from mpcsfaas.hookspecs import hookimpl
from mpcsfaas.interfaces import Storage
from mpcsfaas_storage_redis.storage import RedisStorage

MPCSFAAS_API_VERSION = 1


class UnixSocketRedisStorage(RedisStorage):
    """A Redis or Valkey server of this machine, through its Unix socket."""

    name: ClassVar[str] = "unix"


@hookimpl
def mpcsfaas_storages() -> list[type[Storage]]:
    """Register `unix:///PATH?db=DATABASE`."""
    return [UnixSocketRedisStorage]
