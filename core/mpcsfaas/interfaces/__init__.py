"""The abstract classes that plugins implement. Their docstrings are the contract; `mpcsfaas.testing` checks it."""

from mpcsfaas.interfaces.failure_detector import FailureDetector
from mpcsfaas.interfaces.options import Inherited, PluginOptions
from mpcsfaas.interfaces.serializer import Serializer
from mpcsfaas.interfaces.storage import Storage
from mpcsfaas.interfaces.strategy import Assignment, DispatchStrategy, Rejections, StrategyContext
from mpcsfaas.interfaces.worker_link import LinkedAgent, LinkedOptions, WorkerLink

__all__ = [
    "Assignment",
    "DispatchStrategy",
    "FailureDetector",
    "Inherited",
    "LinkedAgent",
    "LinkedOptions",
    "PluginOptions",
    "Rejections",
    "Serializer",
    "Storage",
    "StrategyContext",
    "WorkerLink",
]
