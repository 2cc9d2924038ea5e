"""The dispatch strategy contract as tests, for any strategy.

    class TestMyStrategy(KillingStrategyContract):
        def make(self):
            return MyStrategy(MyOptions(slots=2))

runs it under pytest; `StrategyContract` is for strategies that cannot kill what runs, such as one of threads. The
tests are in the place of the dispatcher: they never dispatch more than there is capacity, and settle what is reported.

A strategy whose workers are started by others also says how, in `beside`. All must be on this machine, since the
functions that are run write files for the tests to see.
"""

from mpcsfaas.interfaces import WorkerLink
from mpcsfaas.testing.strategy_cases.bench import Bench, case
from mpcsfaas.testing.strategy_cases.ending import CancelCases, KillingCases, StopCases
from mpcsfaas.testing.strategy_cases.running import CapacityCases, FailureCases, OutcomeCases

__all__ = ["KillingStrategyContract", "StrategyContract"]


class StrategyContract(OutcomeCases, FailureCases, CapacityCases, CancelCases, StopCases):
    """What every strategy keeps. Subclass it and implement `make`."""

    def test_says_what_it_is(self) -> None:
        strategy = self.make()
        assert strategy.name.isidentifier()
        assert isinstance(strategy.options, strategy.Options)
        assert strategy.worker_link is None or issubclass(strategy.worker_link, WorkerLink)

    @case
    async def test_tells_workers_where_to_connect_if_any_do(self, bench: Bench) -> None:
        assert (bench.strategy.worker_url() is None) == (bench.strategy.worker_link is None)


class KillingStrategyContract(StrategyContract, KillingCases):
    """What a strategy keeps besides that can kill what it runs: timeouts, crashes, and the end of what is cancelled."""
