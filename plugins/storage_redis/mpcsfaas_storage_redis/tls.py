"""`rediss`: the same, over TLS."""

from typing import ClassVar

from mpcsfaas.hookspecs import hookimpl
from mpcsfaas.interfaces import Storage
from mpcsfaas_storage_redis.storage import RedisStorage

MPCSFAAS_API_VERSION = 1


class TlsRedisStorage(RedisStorage):
    """A Redis or Valkey server that is reached over TLS."""

    name: ClassVar[str] = "rediss"


@hookimpl
def mpcsfaas_storages() -> list[type[Storage]]:
    """Register `rediss://HOST:PORT/DATABASE`."""
    return [TlsRedisStorage]
