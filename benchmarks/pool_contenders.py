"""Our process pool, `ProcessPoolExecutor`, loky and pebble behind one interface, for `benchmarks.pools`."""

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any, ClassVar

import loky
import pebble
import uvloop

from mpcsfaas.interfaces import Assignment
from mpcsfaas.model import Attempt, AttemptResult, Function, Task, function_id, new_task_id
from mpcsfaas.worker.options import PoolOptions
from mpcsfaas.worker.pool import ProcessPool
from mpcsfaas_serializers.cloudpickle import CloudpickleSerializer

WORKERS = 2
PATIENCE = 10.0
Work = Callable[..., Any]


class Contender(ABC):
    """A pool with `WORKERS` processes; `fresh` gives each task a new one."""

    name: ClassVar[str]
    can_be_fresh: ClassVar[bool] = True

    @abstractmethod
    def __init__(self, fresh: bool = False) -> None: ...

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
    """mpcsfaas, with the serializer that loky uses, too."""

    name = "mpcsfaas"

    def __init__(self, fresh: bool = False) -> None:
        self._serializer = CloudpickleSerializer()
        self._functions: dict[Work, Function] = {}
        self._loop = uvloop.new_event_loop()
        self._waiting: list[Assignment] = []
        self._results: dict[str, AttemptResult] = {}
        self._done: asyncio.Future[None] | None = None
        options = PoolOptions(workers=WORKERS, recycle_after=1 if fresh else None)
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
        function = Function(
            function_id(work.__name__, self._serializer.name, payload),
            work.__name__,
            payload,
            self._serializer.name,
            0.0,
        )
        self._functions[work] = function
        return function

    def _assignment(self, function: Function, arguments: tuple[Any, ...], timeout: float | None) -> Assignment:
        task = Task(new_task_id(), function.id, self._serializer.dumps_call(arguments, {}), self._serializer.name, 0.0)
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

    def __init__(self, fresh: bool = False) -> None:
        self._executor: Executor = self._make(fresh)

    def _make(self, fresh: bool) -> Executor:
        if not fresh:
            return ProcessPoolExecutor(WORKERS)
        return ProcessPoolExecutor(WORKERS, mp_context=get_context("forkserver"), max_tasks_per_child=1)

    def run(self, work: Work, calls: Sequence[tuple[Any, ...]], timeout: float | None = None) -> list[Any]:
        futures: list[Any] = [_submit(self._executor, work, arguments) for arguments in calls]
        return [_outcome(future, PATIENCE if timeout is None else timeout) for future in futures]

    def close(self) -> None:
        self._executor.shutdown()


class Loky(Standard):
    """loky."""

    name = "loky"
    can_be_fresh = False

    def _make(self, fresh: bool) -> Executor:
        executor: Executor = loky.ProcessPoolExecutor(WORKERS)
        return executor


class Pebble(Contender):
    """pebble."""

    name = "pebble"

    def __init__(self, fresh: bool = False) -> None:
        self._pool: Any = pebble.ProcessPool(WORKERS, max_tasks=1 if fresh else 0)

    def run(self, work: Work, calls: Sequence[tuple[Any, ...]], timeout: float | None = None) -> list[Any]:
        futures = [self._pool.schedule(work, args=arguments, timeout=timeout) for arguments in calls]
        return [_outcome(future, PATIENCE) for future in futures]

    def close(self) -> None:
        self._pool.close()
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
