"""Our process pool beside `ProcessPoolExecutor`, loky and pebble: speed, and what happens when things go wrong.

    uv run --group bench python benchmarks/pools.py [--rounds 5] [--json FILE] [--only speed|trouble]

Speed: the pools take turns, and the medians are shown, so the machine's drift hits all of them alike. Ours is driven as
a dispatcher drives it, from its event loop, and pays for serialising arguments and results, as the others do.
Trouble: each case runs in a process of its own, and its outcome is what was observed.
"""

import argparse
import asyncio
import json
import os
import platform
import signal
import statistics
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from importlib.metadata import version
from typing import Any, ClassVar

import loky
import pebble
import psutil
import uvloop

from mpcsfaas.interfaces import Assignment
from mpcsfaas.model import Attempt, AttemptResult, Function, Task, function_id, new_task_id
from mpcsfaas.worker.options import PoolOptions
from mpcsfaas.worker.pool import ProcessPool
from mpcsfaas_serializers.dill import DillSerializer

WORKERS = 2
PATIENCE = 10.0
Work = Callable[..., Any]


def noop() -> None:
    """Do nothing."""


def echo(data: bytes) -> bytes:
    """Return the argument."""
    return data


def die() -> None:
    """End the process."""
    os._exit(1)


def hang() -> None:
    """Never end, in C."""
    sum(range(10**12))


def leave_a_daemon() -> None:
    """Start a process in a session of its own, then never end."""
    subprocess.Popen(["sleep", "987"], start_new_session=True)
    hang()


def unpicklable() -> Any:
    """Return what cannot be pickled."""
    return sys._getframe()


class Contender(ABC):
    """A pool with `WORKERS` processes."""

    name: ClassVar[str]

    @abstractmethod
    def run(self, work: Work, calls: Sequence[tuple[Any, ...]], timeout: float | None = None) -> list[Any]:
        """Run all calls; for each the value, or the exception that the caller gets."""

    def one_by_one(self, work: Work, count: int) -> list[float]:
        """Seconds of each of `count` calls, one after the other."""
        times = []
        for _ in range(count):
            started = time.perf_counter()
            self.run(work, [()])
            times.append(time.perf_counter() - started)
        return times

    @abstractmethod
    def close(self) -> None:
        """Stop it."""


class Ours(Contender):
    """mpcsfaas."""

    name = "mpcsfaas"

    def __init__(self) -> None:
        self._serializer = DillSerializer()
        self._functions: dict[Work, Function] = {}
        self._loop = uvloop.new_event_loop()
        self._waiting: list[Assignment] = []
        self._results: dict[str, AttemptResult] = {}
        self._done: asyncio.Future[None] | None = None
        options = PoolOptions(workers=WORKERS)
        self._pool = ProcessPool(options, [self._serializer], self._report, self._feed, "benchmark")
        self._loop.run_until_complete(self._pool.start())

    def run(self, work: Work, calls: Sequence[tuple[Any, ...]], timeout: float | None = None) -> list[Any]:
        return self._loop.run_until_complete(self._run(work, calls, timeout))

    def one_by_one(self, work: Work, count: int) -> list[float]:
        return self._loop.run_until_complete(self._one_by_one(work, count))

    async def _one_by_one(self, work: Work, count: int) -> list[float]:
        times = []
        for _ in range(count):
            started = time.perf_counter()
            await self._run(work, [()])
            times.append(time.perf_counter() - started)
        return times

    async def _run(self, work: Work, calls: Sequence[tuple[Any, ...]], timeout: float | None = None) -> list[Any]:
        function = self._functions.get(work) or self._register(work)
        self._waiting = [self._assignment(function, arguments, timeout) for arguments in reversed(calls)]
        keys = [assignment.attempt.task.id for assignment in reversed(self._waiting)]
        self._expected = len(calls)
        self._done = self._loop.create_future()
        self._feed()
        await self._done
        results = [self._value(self._results[key]) for key in keys]
        self._results.clear()
        return results

    def _register(self, work: Work) -> Function:
        work.__module__ = "__main__"
        payload = self._serializer.dumps(work)
        function = Function(function_id(work.__name__, "dill", payload), work.__name__, payload, "dill", 0.0)
        self._functions[work] = function
        return function

    def _assignment(self, function: Function, arguments: tuple[Any, ...], timeout: float | None) -> Assignment:
        task = Task(new_task_id(), function.id, self._serializer.dumps_call(arguments, {}), "dill", 0.0)
        return Assignment(Attempt(task, 1, 0.0), function, timeout)

    def _feed(self) -> None:
        room = self._pool.capacity()
        if room and self._waiting:
            self._waiting, batch = self._waiting[:-room], self._waiting[-room:]
            self._pool.submit(batch[::-1])

    def _report(self, results: Sequence[AttemptResult]) -> None:
        self._results.update((result.task_id, result) for result in results)
        if len(self._results) == self._expected and self._done and not self._done.done():
            self._done.set_result(None)

    def _value(self, result: AttemptResult) -> Any:
        if result.failure:
            return RuntimeError(f"{result.failure.kind}: {result.failure.message}")
        return self._serializer.loads(result.value)

    def close(self) -> None:
        self._loop.run_until_complete(self._pool.stop())
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()


class Standard(Contender):
    """concurrent.futures."""

    name = "ProcessPoolExecutor"

    def __init__(self) -> None:
        self._executor: Executor = self._make()

    def _make(self) -> Executor:
        return ProcessPoolExecutor(WORKERS)

    def run(self, work: Work, calls: Sequence[tuple[Any, ...]], timeout: float | None = None) -> list[Any]:
        futures: list[Any] = [_submit(self._executor, work, arguments) for arguments in calls]
        return [_outcome(future, PATIENCE if timeout is None else timeout) for future in futures]

    def close(self) -> None:
        self._executor.shutdown()


class Loky(Standard):
    """loky."""

    name = "loky"

    def _make(self) -> Executor:
        executor: Executor = loky.ProcessPoolExecutor(WORKERS)
        return executor


class Pebble(Contender):
    """pebble."""

    name = "pebble"

    def __init__(self) -> None:
        self._pool = pebble.ProcessPool(WORKERS)

    def run(self, work: Work, calls: Sequence[tuple[Any, ...]], timeout: float | None = None) -> list[Any]:
        futures = [self._pool.schedule(work, args=arguments, timeout=timeout) for arguments in calls]
        return [_outcome(future, PATIENCE) for future in futures]

    def close(self) -> None:
        self._pool.close()  # type: ignore[no-untyped-call]
        self._pool.join()


CONTENDERS: tuple[type[Contender], ...] = (Ours, Standard, Loky, Pebble)


def _submit(executor: Executor, work: Work, arguments: tuple[Any, ...]) -> "Future[Any] | Exception":
    try:
        return executor.submit(work, *arguments)
    except Exception as error:
        return error


def _outcome(future: "Future[Any] | Exception", patience: float) -> Any:
    if isinstance(future, Exception):
        return future
    try:
        return future.result(patience)
    except TimeoutError as error:
        return error if future.done() else TimeoutError("the caller gave up; the task still runs")
    except Exception as error:
        return error


# Speed


def throughput(pool: Contender, count: int = 4000) -> float:
    """No-op tasks per second."""
    started = time.perf_counter()
    assert pool.run(noop, [()] * count) == [None] * count
    return count / (time.perf_counter() - started)


def latency(pool: Contender, count: int = 500) -> float:
    """Median microseconds of one no-op after the other."""
    return statistics.median(pool.one_by_one(noop, count)) * 1e6


def megabytes(pool: Contender, count: int = 200) -> float:
    """Megabytes per second that go there and back, in pieces of 1 MB."""
    data = os.urandom(1_000_000)
    started = time.perf_counter()
    assert pool.run(echo, [(data,)] * count)[-1] == data
    return count / (time.perf_counter() - started)


MEASURES: dict[str, Callable[[Contender], float]] = {
    "no-op, tasks/s": throughput,
    "one at a time, µs": latency,
    "1 MB echo, MB/s": megabytes,
}


def measure_speed(rounds: int) -> dict[str, dict[str, float]]:
    """The median of each measure for each pool."""
    pools = [contender() for contender in CONTENDERS]
    values: dict[str, dict[str, list[float]]] = {name: {pool.name: [] for pool in pools} for name in MEASURES}
    for pool in pools:
        pool.run(noop, [()] * 500)
    for _ in range(rounds):
        for name, measure in MEASURES.items():
            for pool in pools:
                values[name][pool.name].append(measure(pool))
    for pool in pools:
        pool.close()
    return {name: {pool: statistics.median(each) for pool, each in pools_.items()} for name, pools_ in values.items()}


# Trouble


def _tell(outcome: Any) -> str:
    return f"{type(outcome).__name__}: {outcome}".split("\n")[0][:110] if isinstance(outcome, Exception) else "a value"


def _next_works(pool: Contender) -> str:
    return "the next task runs" if pool.run(noop, [()]) == [None] else "the next task fails"


def a_child_dies(pool: Contender) -> str:
    """One of 20 tasks ends its process."""
    others = pool.run(_die_or_sleep, [(number == 5,) for number in range(20)])
    lost = sum(isinstance(outcome, Exception) for outcome in others) - 1
    return f"{_tell(others[5])} — {lost} of 19 other tasks lost; {_next_works(pool)}"


def _die_or_sleep(dies: bool) -> None:
    if dies:
        die()
    time.sleep(0.02)


def a_task_hangs(pool: Contender) -> str:
    """A task must be killed after 0.5 s."""
    started = time.perf_counter()
    (outcome,) = pool.run(hang, [()], timeout=0.5)
    seconds = time.perf_counter() - started
    return f"{_tell(outcome)} after {seconds:.2f} s; {_count_busy()} process still runs it; {_next_works(pool)}"


def _count_busy() -> int:
    """How many processes below this one use the CPU."""
    below = psutil.Process().children(recursive=True)
    before = [sum(each.cpu_times()[:2]) for each in below]
    time.sleep(0.5)
    return sum(sum(each.cpu_times()[:2]) > used + 0.05 for each, used in zip(below, before, strict=True))


def a_hanging_task_has_a_daemon(pool: Contender) -> str:
    """As before, and the task has started a process in a session of its own."""
    pool.run(leave_a_daemon, [()], timeout=0.5)
    left = [each for each in psutil.process_iter(["cmdline"]) if each.info["cmdline"] == ["sleep", "987"]]
    for each in left:
        each.kill()
    return f"{len(left)} process left"


def a_result_does_not_pickle(pool: Contender) -> str:
    """A task returns a frame object."""
    (outcome,) = pool.run(unpicklable, [()])
    return f"{_tell(outcome)}; {_next_works(pool)}"


TROUBLES: dict[str, Callable[[Contender], str]] = {
    "a child dies": a_child_dies,
    "a task hangs": a_task_hangs,
    "a hanging task has a daemon": a_hanging_task_has_a_daemon,
    "a result does not pickle": a_result_does_not_pickle,
}


def observe_trouble() -> dict[str, dict[str, str]]:
    """Each case for each pool, in a process of its own, which is killed with all below it in the end."""
    return {trouble: {each.name: _observe(trouble, each.name) for each in CONTENDERS} for trouble in TROUBLES}


def _observe(trouble: str, contender: str) -> str:
    program = subprocess.Popen(
        [sys.executable, __file__, "--case", trouble, contender],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    assert program.stdout is not None
    outcome = program.stdout.readline().strip()
    os.killpg(program.pid, signal.SIGKILL)
    program.communicate()
    return outcome or "the caller was killed or hung"


def _run_case(trouble: str, contender: str) -> None:
    (pool,) = [each() for each in CONTENDERS if each.name == contender]
    signal.alarm(60)
    pool.run(noop, [()] * 20)
    print(TROUBLES[trouble](pool), flush=True)
    signal.pause()


# Report


def machine() -> dict[str, str]:
    """What it ran on, and with which versions."""
    versions = {name: version(name) for name in ("mpcsfaas", "loky", "pebble", "dill", "uvloop")}
    return {"cpus": str(os.cpu_count()), "python": platform.python_version(), "kernel": platform.release(), **versions}


def table(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """Markdown."""
    names = [contender.name for contender in CONTENDERS]
    lines = ["| | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    for title, row in rows.items():
        cells = [f"{row[name]:,.0f}" if isinstance(row[name], float) else row[name] for name in names]
        lines.append(f"| {title} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Measure, print, and write JSON if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json")
    parser.add_argument("--only", choices=["speed", "trouble"])
    parser.add_argument("--case", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.case:
        return _run_case(*options.case)
    speed = measure_speed(options.rounds) if options.only != "trouble" else {}
    trouble = observe_trouble() if options.only != "speed" else {}
    about = machine()
    print(", ".join(f"{name} {value}" for name, value in about.items()))
    print(f"\n{table(speed)}\n\n{table(trouble)}")
    if options.json:
        with open(options.json, "w") as file:
            json.dump({"machine": about, "speed": speed, "trouble": trouble}, file, indent=2, ensure_ascii=False)
    return None


if __name__ == "__main__":
    main()
