"""The storage of a history: one server that all gateways and dispatchers call."""

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar, cast

from mpcsfaas.interfaces import Storage
from mpcsfaas.interfaces.storage import StorageOptions
from mpcsfaas.testing.simulation.calls import PATIENCE, call
from mpcsfaas.testing.simulation.process import Process


class StorageServer:
    """A storage in a process of its own. What it was told outlives everything; only its answers get lost."""

    def __init__(self, process: Process, storage: Storage) -> None:
        self.process = process
        self.storage = storage

    def client(self) -> Storage:
        """For a process that calls it. Every method may raise `StorageUnavailable`, before or after it was applied."""
        return _RemoteStorage(self)

    async def answer(self, name: str, arguments: tuple[Any, ...], options: dict[str, Any]) -> Any:
        """Carry out one call."""
        return await getattr(self.storage, name)(*arguments, **options)


def _remote(name: str) -> Callable[..., Any]:
    async def method(self: "_Client", *arguments: Any, **options: Any) -> Any:
        patience = PATIENCE + (arguments[1] if name.startswith("wait_") else 0.0)
        return await call(self.server.process, partial(self.server.answer, name, arguments, options), patience)

    return method


class _Client:
    """What a remote storage is made of, beside its methods."""

    name: ClassVar[str] = "simulated"

    def __init__(self, server: StorageServer) -> None:
        self.server = server
        self.url = "simulated://"
        self.options = StorageOptions()
        self.clock = server.process.wall_clock


_RemoteStorage = cast(
    Callable[[StorageServer], Storage],
    type("RemoteStorage", (_Client, Storage), {name: _remote(name) for name in Storage.__abstractmethods__}),
)
