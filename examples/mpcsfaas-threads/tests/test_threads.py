"""`threads` keeps the contract of dispatch strategies, and does in time what a thread cannot be made to do."""

from mpcsfaas.model import FailureKind
from mpcsfaas.testing.strategy_cases.bench import Bench, case
from mpcsfaas.testing.strategy_contract import StrategyContract

from mpcsfaas_threads import ThreadsOptions, ThreadsStrategy


class TestThreads(StrategyContract):
    def make(self) -> ThreadsStrategy:
        return ThreadsStrategy(ThreadsOptions(workers=2))

    @case
    async def test_a_timeout_is_told_in_time_though_the_thread_goes_on(self, bench: Bench) -> None:
        await bench.dispatch(held := bench.holding(timeout=0.1))
        [result] = await bench.results(held)
        assert result.failure is not None
        assert result.failure.kind is FailureKind.TIMEOUT
        assert bench.strategy.capacity() == 1
        bench.release()
        await bench.until(lambda: bench.strategy.capacity() == 2, "its thread is free")
        assert len(bench.reports) == 1

    @case
    async def test_what_is_cancelled_is_not_reported(self, bench: Bench) -> None:
        held = await bench.fill()
        bench.strategy.cancel([one.attempt.key for one in held])
        bench.release()
        await bench.until(lambda: bench.strategy.capacity() == 2, "its threads are free")
        assert bench.reports == []


def test_offers_the_labels_that_were_given() -> None:
    strategy = ThreadsStrategy(ThreadsOptions(labels=("gpu", "big")))

    assert strategy.labels() == [frozenset({"gpu", "big"})]
