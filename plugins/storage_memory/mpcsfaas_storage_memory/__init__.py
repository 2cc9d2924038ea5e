"""The in-memory storage: for tests, and the reference that other storages are compared with."""

from mpcsfaas.hookspecs import hookimpl
from mpcsfaas.interfaces import Storage
from mpcsfaas_storage_memory.storage import MemoryStorage

MPCSFAAS_API_VERSION = 1

__all__ = ["MPCSFAAS_API_VERSION", "MemoryStorage", "mpcsfaas_storages"]


@hookimpl
def mpcsfaas_storages() -> list[type[Storage]]:
    """Register `memory://`."""
    return [MemoryStorage]
