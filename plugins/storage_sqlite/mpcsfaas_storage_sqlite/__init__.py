"""The embedded storage: one SQLite file, used by any number of processes of one machine."""

from mpcsfaas.hookspecs import hookimpl
from mpcsfaas.interfaces import Storage
from mpcsfaas_storage_sqlite.options import SqliteOptions
from mpcsfaas_storage_sqlite.storage import SqliteStorage

MPCSFAAS_API_VERSION = 1

__all__ = ["MPCSFAAS_API_VERSION", "SqliteOptions", "SqliteStorage", "mpcsfaas_storages"]


@hookimpl
def mpcsfaas_storages() -> list[type[Storage]]:
    """Register `sqlite:///PATH`."""
    return [SqliteStorage]
