"""The contract suite fails for strategies that break their word, and in the test that says so."""

import asyncio
import multiprocessing
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.strategies.threads import SLOTS, Threads

from mpcsfaas.interfaces import Assignment, DispatchStrategy, PluginOptions, StrategyContext
from mpcsfaas.model import AttemptKey, AttemptResult, Failure, FailureKind, WorkerInfo
from mpcsfaas.testing.strategy_contract import KillingStrategyContract, StrategyContract


class TestThreads(StrategyContract):
    """What is broken below is whole."""

    def make(self) -> DispatchStrategy:
        return Threads(PluginOptions())


class ReportsTwice(Threads):
    def done(self, result: AttemptResult) -> None:
        super().done(result)
        self.context.report([result])


class LosesOne(Threads):
    lost = False

    def done(self, result: AttemptResult) -> None:
        if self.lost:
            super().done(result)
        self.lost = True


class MixesUpAttempts(Threads):
    def done(self, result: AttemptResult) -> None:
        super().done(replace(result, number=1))


class MixesUpTasks(Threads):
    last: AttemptResult | None = None

    def done(self, result: AttemptResult) -> None:
        value = self.last.value if self.last else result.value
        self.last = result
        super().done(replace(result, value=value))


class ReportsFromItsThreads(Threads):
    def hand_over(self, assignment: Assignment) -> None:
        self.executor.submit(lambda: self.done(self.runner.run(assignment)))


class Blocks(Threads):
    def hand_over(self, assignment: Assignment) -> None:
        self.loop.call_soon(self.done, self.runner.run(assignment))


class RaisesWhatFunctionsRaise(Threads):
    def done(self, result: AttemptResult) -> None:
        if result.failure:
            raise RuntimeError(result.failure.message)
        super().done(result)


class CallsEverythingAnException(Threads):
    def done(self, result: AttemptResult) -> None:
        failure = result.failure and Failure(FailureKind.EXCEPTION, result.failure.message, "ValueError")
        super().done(replace(result, failure=failure))


class KeepsTheSlotOfFailures(Threads):
    def done(self, result: AttemptResult) -> None:
        super().done(result)
        self.outstanding += result.failure is not None


class IsNeverFull(Threads):
    def capacity(self) -> int:
        return SLOTS


class SaysNothingOfRoom(Threads):
    def done(self, result: AttemptResult) -> None:
        self.outstanding -= 1
        if not self.stopped:
            self.context.report([result])


class RunsTooManyAtOnce(Threads):
    def capacity(self) -> int:
        return 4 * SLOTS - self.outstanding

    async def start(self, context: StrategyContext) -> None:
        await super().start(context)
        self.executor._max_workers = 4 * SLOTS


class OffersNoLabels(Threads):
    def labels(self) -> list[frozenset[str]]:
        return []


class HasWorkersOfOneName(Threads):
    def workers(self) -> list[WorkerInfo]:
        return 2 * super().workers()


class DoesNotKnowWhatItNeverHad(Threads):
    def cancel(self, keys: Sequence[AttemptKey]) -> None:
        raise KeyError(keys)


class KeepsTheSlotOfTheCancelled(Threads):
    def cancel(self, keys: Sequence[AttemptKey]) -> None:
        self.outstanding += len(keys)


class StopsOnce(Threads):
    async def stop(self) -> None:
        assert not self.stopped
        await super().stop()


class ReportsAfterItsStop(Threads):
    async def stop(self) -> None:
        await super().stop()
        self.stopped = False


class LeavesAProcess(Threads):
    left: list[multiprocessing.process.BaseProcess]

    async def start(self, context: StrategyContext) -> None:
        await super().start(context)
        left = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,), daemon=True)
        left.start()
        LEFT.append(left)


class LeavesATask(Threads):
    async def start(self, context: StrategyContext) -> None:
        await super().start(context)
        self.task = asyncio.create_task(asyncio.sleep(60))


LEFT: list[multiprocessing.process.BaseProcess] = []
BROKEN = {
    ReportsTwice: "test_reports_every_attempt_once_and_each_its_own",
    LosesOne: "test_reports_what_a_function_returned",
    MixesUpAttempts: "test_reports_the_number_of_the_attempt",
    MixesUpTasks: "test_reports_every_attempt_once_and_each_its_own",
    ReportsFromItsThreads: "test_reports_what_a_function_returned",
    Blocks: "test_dispatch_does_not_wait_for_the_function",
    RaisesWhatFunctionsRaise: "test_tells_what_a_function_raised",
    CallsEverythingAnException: "test_tells_that_arguments_cannot_be_loaded",
    KeepsTheSlotOfFailures: "test_failures_cost_no_capacity",
    IsNeverFull: "test_capacity_shrinks_by_what_is_dispatched",
    SaysNothingOfRoom: "test_is_full_at_some_time_and_says_when_there_is_room_again",
    RunsTooManyAtOnce: "test_no_more_run_at_once_than_there_are_slots",
    OffersNoLabels: "test_offers_labels_while_it_has_capacity",
    HasWorkersOfOneName: "test_tells_of_its_workers",
    DoesNotKnowWhatItNeverHad: "test_unknown_attempts_are_ignored",
    KeepsTheSlotOfTheCancelled: "test_after_a_cancellation_there_is_room",
    StopsOnce: "test_stopping_twice_does_no_harm",
    ReportsAfterItsStop: "test_nothing_is_reported_after_the_stop",
    LeavesAProcess: "test_leaves_nothing_behind",
    LeavesATask: "test_leaves_nothing_behind",
}
CANNOT_KILL = (
    "test_an_attempt_that_outlives_its_timeout_is_killed",
    "test_what_is_cancelled_is_killed_and_makes_room",
    "test_stop_kills_what_runs",
)


def suite_of(strategy: type[Threads]) -> KillingStrategyContract:
    class Suite(KillingStrategyContract):
        patience = 0.7

        def make(self) -> DispatchStrategy:
            return strategy(PluginOptions())

    return Suite()


@pytest.mark.parametrize(("strategy", "name"), BROKEN.items())
def test_catches_a_strategy_that(strategy: type[Threads], name: str, tmp_path: Path) -> None:
    with pytest.raises((AssertionError, KeyError, TimeoutError)):
        getattr(suite_of(strategy), name)(tmp_path)
    for left in LEFT:
        left.kill()
        left.join()
    LEFT.clear()


@pytest.mark.parametrize("name", CANNOT_KILL)
def test_catches_threads_that_say_they_can_kill(name: str, tmp_path: Path) -> None:
    with pytest.raises(AssertionError):
        getattr(suite_of(Threads), name)(tmp_path)
