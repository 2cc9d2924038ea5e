"""The dispatch strategy `threads`: runs functions in threads of the dispatcher."""

from mpcsfaas import hookimpl
from mpcsfaas.interfaces import DispatchStrategy

from mpcsfaas_threads.strategy import ThreadsOptions, ThreadsStrategy

__all__ = ["MPCSFAAS_API_VERSION", "ThreadsOptions", "ThreadsStrategy", "mpcsfaas_dispatch_strategies"]

MPCSFAAS_API_VERSION = 1


@hookimpl
def mpcsfaas_dispatch_strategies() -> list[type[DispatchStrategy]]:
    """What this plugin adds."""
    return [ThreadsStrategy]
