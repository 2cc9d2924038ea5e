"""Every hook, on one page. Hooks register and observe; they are never on the path of a task.

A plugin is a module (or any object) named by an entry point in the group `mpcsfaas`. It declares
`MPCSFAAS_API_VERSION = 1` and implements any of the hooks below as plain functions marked with `hookimpl`:

    from mpcsfaas import hookimpl

    MPCSFAAS_API_VERSION = 1

    @hookimpl
    def mpcsfaas_dispatch_strategies():
        return [MyStrategy]

The entry point's name is the word that users type, and must be the `name` of a class that the plugin registers. A
plugin that only adds routes, commands or observers may have any name; its `Options`, if it has any, are its options.
Hooks are synchronous; a coroutine function is refused at load.
"""

from typing import TYPE_CHECKING

import pluggy

from mpcsfaas.interfaces import DispatchStrategy, FailureDetector, PluginOptions, Serializer, Storage
from mpcsfaas.model import DispatcherInfo, State

if TYPE_CHECKING:
    import typer
    from fastapi import FastAPI

API_VERSION = 1
PROJECT = "mpcsfaas"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def mpcsfaas_storages() -> list[type[Storage]]:
    """Storage classes; their `name` is the URL scheme that chooses them."""
    raise NotImplementedError


@hookspec
def mpcsfaas_serializers() -> list[type[Serializer]]:
    """Serializer classes; their `name` is stored beside every payload they write."""
    raise NotImplementedError


@hookspec
def mpcsfaas_dispatch_strategies() -> list[type[DispatchStrategy]]:
    """Dispatch strategy classes: how tasks reach workers."""
    raise NotImplementedError


@hookspec
def mpcsfaas_failure_detectors() -> list[type[FailureDetector]]:
    """Failure detector classes: which workers are suspected dead."""
    raise NotImplementedError


@hookspec
def mpcsfaas_gateway_routes(app: "FastAPI", storage: Storage) -> None:
    """Add routes to the gateway's application, once, before it serves."""


@hookspec
def mpcsfaas_dispatcher_starts(options: PluginOptions, storage: Storage) -> None:
    """Get ready beside a dispatcher, once, before it serves. `options` are the plugin's own, of its `Options`.

    `storage` is the dispatcher's, which is not open yet, for its event loop.
    """


@hookspec
def mpcsfaas_cli(app: "typer.Typer") -> None:
    """Add commands to `mpcsfaas`, once, at its start."""


@hookspec
def mpcsfaas_tasks_changed(task_ids: list[str], state: State) -> None:
    """Observe tasks that reached a state, in batches, after it is durable. Must return quickly; errors are logged."""


@hookspec
def mpcsfaas_workers_changed(dispatcher: DispatcherInfo) -> None:
    """Observe a dispatcher's workers after one came, went or changed. Must return quickly; errors are logged."""
