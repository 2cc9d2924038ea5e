"""The `push` dispatch strategy: workers on many machines connect, and the dispatcher sends them attempts."""

from mpcsfaas.hookspecs import hookimpl
from mpcsfaas.interfaces import DispatchStrategy
from mpcsfaas_push.dispatcher import PushStrategy

MPCSFAAS_API_VERSION = 1


@hookimpl
def mpcsfaas_dispatch_strategies() -> list[type[DispatchStrategy]]:
    """One strategy, `push`."""
    return [PushStrategy]
