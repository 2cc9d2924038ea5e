"""Attempts that end by themselves: what is reported of them, and that the room they took is free again."""

from typing import Any

from msgspec.structs import replace

from mpcsfaas.model import AttemptResult, FailureKind
from mpcsfaas.testing.strategy_cases import work
from mpcsfaas.testing.strategy_cases.bench import (
    Bench,
    Contract,
    case,
    dill,
    make_assignment,
    make_function,
    serializer_of,
)

MANY = 100


def value_of(result: AttemptResult, serializer: str = "dill") -> Any:
    """What the function returned."""
    assert result.failure is None, result.failure
    return serializer_of(serializer).loads(result.value)


class OutcomeCases(Contract):
    """`dispatch` and `report`: every attempt gets its own outcome, once."""

    @case
    async def test_reports_what_a_function_returned(self, bench: Bench) -> None:
        assert value_of(await bench.run(work.double, 21)) == 42

    @case
    async def test_reports_every_attempt_once_and_each_its_own(self, bench: Bench) -> None:
        assignments = [make_assignment(work.double, number) for number in range(MANY)]
        await bench.dispatch(*assignments)
        assert [value_of(result) for result in await bench.results(*assignments)] == list(range(0, 2 * MANY, 2))
        assert len(bench.reports) == MANY

    @case
    async def test_reports_the_number_of_the_attempt(self, bench: Bench) -> None:
        for number in (1, 7):
            assert (await bench.run(work.double, 1, number=number)).number == number

    @case
    async def test_results_are_written_with_the_serializer_of_the_task(self, bench: Bench) -> None:
        assert value_of(await bench.run(work.double, 4, serializer="json"), "json") == 8

    @case
    async def test_runs_coroutine_functions(self, bench: Bench) -> None:
        assert value_of(await bench.run(work.double_later, 5)) == 10

    @case
    async def test_dispatch_does_not_wait_for_the_function(self, bench: Bench) -> None:
        held = bench.holding()
        await bench.dispatch(held)
        await bench.until(lambda: bench.mark(held).exists(), "it has begun")
        assert bench.reports == []
        bench.release()
        [result] = await bench.results(held)
        assert value_of(result) == str(bench.mark(held))


class FailureCases(Contract):
    """What goes wrong is reported, never raised, and of the right kind."""

    @case
    async def test_tells_what_a_function_raised(self, bench: Bench) -> None:
        result = await bench.run(work.fail, "no luck")
        failure = result.failure
        assert failure is not None
        assert (failure.kind, failure.type) == (FailureKind.EXCEPTION, "ValueError")
        assert "no luck" in failure.message
        assert "work.py" in failure.traceback, "the traceback does not lead to the function"
        assert not result.value or isinstance(dill().loads(result.value), ValueError)

    @case
    async def test_a_function_that_wants_to_exit_has_failed(self, bench: Bench) -> None:
        for call in ((work.leave, 0), (work.interrupt,)):
            failure = (await bench.run(*call)).failure
            assert failure is not None
            assert failure.kind is FailureKind.EXCEPTION
        assert value_of(await bench.run(work.double, 1)) == 2

    @case
    async def test_tells_that_a_result_cannot_be_serialised(self, bench: Bench) -> None:
        failure = (await bench.run(work.cannot_travel)).failure
        assert failure is not None
        assert failure.kind is FailureKind.INVALID_RESULT
        assert "generator" in failure.message

    @case
    async def test_tells_that_arguments_cannot_be_loaded(self, bench: Bench) -> None:
        assignment = make_assignment(work.double, payload=dill().dumps("no pair"))
        await bench.dispatch(assignment)
        [result] = await bench.results(assignment)
        assert result.failure is not None
        assert result.failure.kind is FailureKind.INVALID_PAYLOAD

    @case
    async def test_tells_that_a_function_cannot_be_loaded(self, bench: Bench) -> None:
        damaged = replace(make_function(work.double), id="damaged", payload=b"damaged")
        assignment = make_assignment(damaged, 1)
        await bench.dispatch(assignment)
        [result] = await bench.results(assignment)
        assert result.failure is not None
        assert result.failure.kind in (FailureKind.INVALID_PAYLOAD, FailureKind.INCOMPATIBLE)

    @case
    async def test_failures_cost_no_capacity(self, bench: Bench) -> None:
        count = 2 * bench.strategy.capacity() + 1
        assignments = [make_assignment(work.fail, str(number)) for number in range(count)]
        await bench.dispatch(*assignments)
        messages = [result.failure and result.failure.message for result in await bench.results(*assignments)]
        assert messages == [str(number) for number in range(count)]
        assert value_of(await bench.run(work.double, 1)) == 2


class CapacityCases(Contract):
    """`capacity`, `labels`, `workers`: what is said of the room there is."""

    @case
    async def test_capacity_shrinks_by_what_is_dispatched(self, bench: Bench) -> None:
        before = bench.strategy.capacity()
        bench.strategy.dispatch([held := bench.holding()])
        assert bench.strategy.capacity() < before
        bench.release()
        await bench.results(held)

    @case
    async def test_is_full_at_some_time_and_says_when_there_is_room_again(self, bench: Bench) -> None:
        held = await bench.fill()
        assert bench.strategy.capacity() == 0
        said = bench.changes
        bench.release()
        await bench.results(*held)
        await bench.until(lambda: bench.strategy.capacity() > 0, "there is room again")
        await bench.until(lambda: bench.changes > said, "capacity_changed is called")

    @case
    async def test_no_more_run_at_once_than_there_are_slots(self, bench: Bench) -> None:
        slots = sum(worker.slots for worker in bench.strategy.workers()) or bench.strategy.capacity()
        assignments = [make_assignment(work.span) for _ in range(3 * slots)]
        await bench.dispatch(*assignments)
        spans = [value_of(result) for result in await bench.results(*assignments)]
        for began, _ in spans:
            together = sum(other_began <= began < ended for other_began, ended in spans)
            assert together <= slots, f"{together} ran at once, in {slots} slots"

    @case
    async def test_offers_labels_while_it_has_capacity(self, bench: Bench) -> None:
        offered = bench.strategy.labels()
        assert offered, "without a set of labels, no task is ever claimed for it; [frozenset()] takes those with none"
        assert all(isinstance(labels, frozenset) for labels in offered)

    @case
    async def test_tells_of_its_workers(self, bench: Bench) -> None:
        held = await bench.fill()
        workers = bench.strategy.workers()
        assert len({worker.id for worker in workers}) == len(workers)
        assert all(0 <= worker.busy <= worker.slots for worker in workers)
        assert not workers or any(worker.busy for worker in workers), "something runs, and nobody is busy"
        bench.release()
        await bench.results(*held)
