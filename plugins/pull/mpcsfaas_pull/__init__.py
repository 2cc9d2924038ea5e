"""The `pull` dispatch strategy: workers on many machines ask the dispatcher for attempts, and report on them."""

from mpcsfaas.hookspecs import hookimpl
from mpcsfaas.interfaces import DispatchStrategy
from mpcsfaas_pull.dispatcher import PullStrategy

MPCSFAAS_API_VERSION = 1


@hookimpl
def mpcsfaas_dispatch_strategies() -> list[type[DispatchStrategy]]:
    """One strategy, `pull`."""
    return [PullStrategy]
