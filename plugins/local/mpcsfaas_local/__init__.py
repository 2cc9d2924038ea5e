"""The `local` dispatch strategy: worker processes inside the dispatcher, on this machine."""

from mpcsfaas.hookspecs import hookimpl
from mpcsfaas.interfaces import DispatchStrategy
from mpcsfaas_local.strategy import LocalStrategy

MPCSFAAS_API_VERSION = 1


@hookimpl
def mpcsfaas_dispatch_strategies() -> list[type[DispatchStrategy]]:
    """One strategy, `local`."""
    return [LocalStrategy]
