"""The SDK: run Python functions on an mpcsfaas platform.

Importing this package is light: each name is loaded on first use, and no server part is.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mpcsfaas.client.async_client import AsyncClient, AsyncTaskHandle
    from mpcsfaas.client.async_embedded import connect_async
    from mpcsfaas.client.chaining import result_of
    from mpcsfaas.client.client import Client, TaskHandle
    from mpcsfaas.client.embedded import connect
    from mpcsfaas.client.executor import Executor
    from mpcsfaas.client.function import AsyncRemoteFunction, RemoteFunction
    from mpcsfaas.client.futures import TaskFuture

__all__ = [
    "AsyncClient",
    "AsyncRemoteFunction",
    "AsyncTaskHandle",
    "Client",
    "Executor",
    "RemoteFunction",
    "TaskFuture",
    "TaskHandle",
    "connect",
    "connect_async",
    "result_of",
]

_HOMES = {
    "AsyncClient": "async_client",
    "AsyncRemoteFunction": "function",
    "AsyncTaskHandle": "async_client",
    "Client": "client",
    "Executor": "executor",
    "RemoteFunction": "function",
    "TaskFuture": "futures",
    "TaskHandle": "client",
    "connect": "embedded",
    "connect_async": "async_embedded",
    "result_of": "chaining",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"mpcsfaas.client.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
