"""mpcsfaas: a self-hosted Function-as-a-Service platform.

Importing this package is light: each name is loaded on first use, and no server part is.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mpcsfaas.client import AsyncClient, Client, Executor, connect, connect_async
    from mpcsfaas.hookspecs import hookimpl

__version__ = "0.1.0"
__all__ = ["AsyncClient", "Client", "Executor", "__version__", "connect", "connect_async", "hookimpl"]


def __getattr__(name: str) -> Any:
    if name == "hookimpl":
        return import_module("mpcsfaas.hookspecs").hookimpl
    if name in __all__:
        return getattr(import_module("mpcsfaas.client"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
