"""Our strategies keep the contract that is asked of everyone's."""

from mpcsfaas.interfaces import DispatchStrategy
from mpcsfaas.testing.strategy_contract import KillingStrategyContract
from mpcsfaas_local.options import LocalOptions
from mpcsfaas_local.strategy import LocalStrategy


class TestLocal(KillingStrategyContract):
    def make(self) -> DispatchStrategy:
        return LocalStrategy(LocalOptions(workers=2, prefetch=1))
