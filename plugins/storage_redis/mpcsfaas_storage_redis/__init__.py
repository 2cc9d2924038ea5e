"""The shared storage: one Redis or Valkey server, used by any number of gateways and dispatchers on any machines."""

from mpcsfaas.hookspecs import hookimpl
from mpcsfaas.interfaces import Storage
from mpcsfaas_storage_redis.options import RedisOptions
from mpcsfaas_storage_redis.storage import RedisStorage

MPCSFAAS_API_VERSION = 1

__all__ = ["MPCSFAAS_API_VERSION", "RedisOptions", "RedisStorage", "mpcsfaas_storages"]


@hookimpl
def mpcsfaas_storages() -> list[type[Storage]]:
    """Register `redis://HOST:PORT/DATABASE`."""
    return [RedisStorage]
