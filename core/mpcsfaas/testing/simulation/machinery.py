"""What the platform of a history is made of."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from mpcsfaas.dispatcher import Dispatcher
from mpcsfaas.errors import PluginError
from mpcsfaas.interfaces import DispatchStrategy, FailureDetector, PluginOptions, Storage, WorkerLink
from mpcsfaas.interfaces.storage import StorageOptions
from mpcsfaas.plugins import Kind, Plugins
from mpcsfaas.worker.agent import WorkerAgent

STORAGE = "memory://"


@dataclass(frozen=True)
class Machinery:
    """Makes the parts. A test puts something broken in the place of one, with `dataclasses.replace`."""

    storage: Callable[[], Storage]
    """That does nothing but what its callers wait for: it has no threads, and no connection anywhere."""
    strategy: Callable[[str], DispatchStrategy]
    """That listens at an address."""
    detector: Callable[[], FailureDetector]
    link: type[WorkerLink]
    link_options: PluginOptions
    dispatcher: type[Dispatcher] = Dispatcher
    agent: type[WorkerAgent] = WorkerAgent

    @classmethod
    def of(cls, plugins: Plugins) -> "Machinery":
        """Of the selected plugins, over the in-memory storage. Raises `PluginError`."""
        strategy, detector = plugins.plugin(Kind.STRATEGY), plugins.plugin(Kind.DETECTOR)
        storage = plugins.storage_plugin(STORAGE)
        if strategy.cls.worker_link is None:
            raise PluginError(f"Strategy {strategy.name!r} has no workers that connect. Choose push, or pull.")
        return cls(
            storage=lambda: cast(Storage, storage.cls(STORAGE, StorageOptions())),
            strategy=lambda url: cast(DispatchStrategy, strategy.cls(strategy.options.model_validate({"url": url}))),
            detector=lambda: cast(FailureDetector, detector.cls(detector.options())),
            link=strategy.cls.worker_link,
            link_options=strategy.options(),
        )
