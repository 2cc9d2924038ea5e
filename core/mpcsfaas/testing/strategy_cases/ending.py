"""Attempts that are ended, and the end of the strategy itself."""

import asyncio
import threading
from contextlib import suppress
from pathlib import Path

from mpcsfaas.interfaces import Assignment
from mpcsfaas.model import AttemptKey, FailureKind
from mpcsfaas.testing.platform import wait_until
from mpcsfaas.testing.strategy_cases import work
from mpcsfaas.testing.strategy_cases.bench import Bench, Contract, case, make_assignment
from mpcsfaas.testing.strategy_cases.running import value_of

UNKNOWN = [AttemptKey("unknown", 1)]
SETTLING_SECONDS = 0.1
"""How long is listened for what must not come."""


def traces() -> set[str]:
    """What this process has that outlives its code: children, threads, open files. Not asyncio's own threads."""
    found = {f"thread {thread.name}" for thread in threading.enumerate() if not thread.name.startswith("asyncio_")}
    for place in Path("/proc/self/task").glob("*/children"):
        with suppress(OSError):  # The thread has ended meanwhile.
            found |= {f"process {child}" for child in place.read_text().split()}
    for place in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # The file was closed meanwhile.
            found.add(f"{place.name} is {place.readlink()}")
    return found


def is_alive(mark: Path) -> bool:
    """Whether the process that wrote its id there is still there, and not only its entry in the table."""
    try:
        return " Z " not in Path(f"/proc/{mark.read_text()}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


class CancelCases(Contract):
    """`cancel` and `settled`."""

    @case
    async def test_unknown_attempts_are_ignored(self, bench: Bench) -> None:
        bench.strategy.cancel(UNKNOWN)
        bench.strategy.settled(UNKNOWN)
        assert value_of(await bench.run(work.double, 1)) == 2
        assert len(bench.reports) == 1

    @case
    async def test_attempts_that_have_ended_are_ignored(self, bench: Bench) -> None:
        result = await bench.run(work.double, 1)
        bench.strategy.cancel([result.key])
        assert value_of(await bench.run(work.double, 2)) == 4
        assert len(bench.reports) == 2

    @case
    async def test_another_attempt_of_the_task_is_unknown(self, bench: Bench) -> None:
        await bench.dispatch(held := bench.holding())
        await bench.until(lambda: bench.mark(held).exists(), "it has begun")
        bench.strategy.cancel([held.attempt.key._replace(number=2)])
        bench.release()
        [result] = await bench.results(held)
        assert value_of(result)

    @case
    async def test_after_a_cancellation_there_is_room(self, bench: Bench) -> None:
        """Once the function has returned, for a strategy that cannot kill."""
        held = await bench.fill()
        bench.strategy.cancel([one.attempt.key for one in held])
        bench.release()
        assert value_of(await bench.run(work.double, 1)) == 2

    @case
    async def test_the_others_go_on(self, bench: Bench) -> None:
        held = await bench.fill()
        bench.strategy.cancel([held[0].attempt.key])
        bench.release()
        assert all(map(value_of, await bench.results(*held[1:])))


class StopCases(Contract):
    """`stop`."""

    @case
    async def test_stopping_twice_does_no_harm(self, bench: Bench) -> None:
        await bench.run(work.double, 1)
        await bench.strategy.stop()
        await bench.strategy.stop()

    @case
    async def test_nothing_is_reported_after_the_stop(self, bench: Bench) -> None:
        await bench.fill()
        await bench.strategy.stop()
        bench.release()
        reported = len(bench.reports)
        await asyncio.sleep(SETTLING_SECONDS)
        assert len(bench.reports) == reported

    def test_leaves_nothing_behind(self, tmp_path: Path) -> None:
        asyncio.run(self._work_and_stop(tmp_path))  # What is imported and opened once may stay.
        before = traces()
        asyncio.run(self._work_and_stop(tmp_path))
        wait_until(lambda: traces() <= before, self.patience, f"the end of all but {sorted(before)} (now {traces()})")

    async def _work_and_stop(self, folder: Path) -> None:
        async with Bench(self, folder) as bench:
            assignments = [make_assignment(work.double, number) for number in range(10)]
            await bench.dispatch(*assignments)
            await bench.results(*assignments)
        others = asyncio.all_tasks() - {asyncio.current_task()}
        assert not others, f"left running: {others}"


class KillingCases(Contract):
    """What only a strategy can do that kills: time limits, crashes, an end to what runs."""

    @case
    async def test_an_attempt_that_outlives_its_timeout_is_killed(self, bench: Bench) -> None:
        await bench.dispatch(held := bench.holding(timeout=0.3))
        [result] = await bench.results(held)
        assert result.failure is not None
        assert result.failure.kind is FailureKind.TIMEOUT
        await self._gone(bench, held)
        assert value_of(await bench.run(work.double, 1, timeout=self.patience)) == 2

    @case
    async def test_an_attempt_whose_process_died_has_crashed(self, bench: Bench) -> None:
        for function in (work.exit_hard, work.be_killed):
            failure = (await bench.run(function)).failure
            assert failure is not None
            assert failure.kind is FailureKind.CRASHED
        assert value_of(await bench.run(work.double, 1)) == 2

    @case
    async def test_crashes_cost_no_capacity(self, bench: Bench) -> None:
        assignments = [make_assignment(work.exit_hard) for _ in range(bench.strategy.capacity() + 1)]
        await bench.dispatch(*assignments)
        assert all(result.failure for result in await bench.results(*assignments))
        assert value_of(await bench.run(work.double, 1)) == 2

    @case
    async def test_what_is_cancelled_is_killed_and_makes_room(self, bench: Bench) -> None:
        held = await bench.fill()
        bench.strategy.cancel([one.attempt.key for one in held])
        await bench.until(lambda: bench.strategy.capacity() > 0, "there is room again")
        await self._gone(bench, *held)
        assert [result for result in bench.reports if result.failure is None] == []
        assert value_of(await bench.run(work.double, 1)) == 2

    @case
    async def test_stop_kills_what_runs(self, bench: Bench) -> None:
        held = await bench.fill()
        await bench.strategy.stop()
        await self._gone(bench, *held)

    async def _gone(self, bench: Bench, *held: Assignment) -> None:
        marks = [bench.mark(one) for one in held]
        await bench.until(lambda: not any(map(is_alive, marks)), "the processes are gone")
