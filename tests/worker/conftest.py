"""A pool that tests drive from outside its event loop, and short ways to make assignments."""

import asyncio
import os
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import psutil
import pytest

from mpcsfaas.interfaces import Assignment, Serializer
from mpcsfaas.model import Attempt, AttemptKey, AttemptResult, Function, Task, function_id, new_task_id
from mpcsfaas.worker.options import PoolOptions
from mpcsfaas.worker.pool import ProcessPool
from mpcsfaas_serializers.cloudpickle import CloudpickleSerializer
from mpcsfaas_serializers.dill import DillSerializer
from mpcsfaas_serializers.json import JsonSerializer
from mpcsfaas_serializers.msgpack import MsgpackSerializer

PATIENCE = 20.0
"""Seconds after which a test gives up on a condition."""
SERIALIZERS: dict[str, Serializer] = {
    each.name: each for each in (DillSerializer(), CloudpickleSerializer(), MsgpackSerializer(), JsonSerializer())
}


def make_function(function: Callable[..., Any] | bytes, serializer: str = "dill", **fields: Any) -> Function:
    """A registered function; bytes are taken for an already serialised one."""
    payload = function if isinstance(function, bytes) else SERIALIZERS[serializer].dumps(function)
    name = getattr(function, "__name__", "bytes")
    return Function(function_id(name, serializer, payload), name, payload, serializer, time.time(), **fields)


def make_assignment(
    function: Function | Callable[..., Any],
    *args: Any,
    timeout: float | None = None,
    serializer: str = "dill",
    payload: bytes | None = None,
    **kwargs: Any,
) -> Assignment:
    """An attempt of calling `function` with `args` and `kwargs`, or with a `payload` as it is."""
    if not isinstance(function, Function):
        function = make_function(function)
    if payload is None:
        payload = SERIALIZERS[serializer].dumps_call(args, kwargs)
    task = Task(new_task_id(), function.id, payload, serializer, time.time())
    return Assignment(Attempt(task, 1, time.time()), function, timeout)


class PoolDriver:
    """Runs a pool on an event loop of its own, one step at a time."""

    def __init__(self, options: PoolOptions, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.results: dict[AttemptKey, AttemptResult] = {}
        self.reports: list[AttemptResult] = []
        self.pool = ProcessPool(options, list(SERIALIZERS.values()), self._report, lambda: None, "test-worker")

    function = staticmethod(make_function)
    assignment = staticmethod(make_assignment)

    def _report(self, results: Sequence[AttemptResult]) -> None:
        self.reports += results
        self.results.update((result.key, result) for result in results)

    def start(self) -> "PoolDriver":
        self.loop.run_until_complete(self.pool.start())
        return self

    def stop(self) -> None:
        self.loop.run_until_complete(self.pool.stop())

    def submit(self, *assignments: Assignment) -> None:
        self.loop.call_soon(self.pool.submit, assignments)

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Run the loop until `condition` holds."""

        async def wait() -> None:
            while not condition():  # noqa: ASYNC110 - some conditions are the operating system's
                await asyncio.sleep(0.002)

        self.loop.run_until_complete(asyncio.wait_for(wait(), PATIENCE))

    def run(self, *assignments: Assignment) -> list[AttemptResult]:
        """Submit, and wait for all outcomes."""
        self.submit(*assignments)
        keys = [assignment.attempt.key for assignment in assignments]
        self.wait_until(lambda: all(key in self.results for key in keys))
        return [self.results[key] for key in keys]

    def call(self, function: Function | Callable[..., Any], *args: Any, **options: Any) -> AttemptResult:
        """Run one attempt."""
        (result,) = self.run(make_assignment(function, *args, **options))
        return result

    def value(self, function: Function | Callable[..., Any], *args: Any, **options: Any) -> Any:
        """Run one attempt that succeeds, and return its value."""
        result = self.call(function, *args, **options)
        assert result.failure is None, result.failure
        return SERIALIZERS[options.get("serializer", "dill")].loads(result.value)

    def works(self) -> bool:
        """Every slot still runs tasks."""
        return all(result.failure is None for result in self.run(*(make_assignment(os.getpid) for _ in range(8))))


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()


@pytest.fixture
def start_pool(loop: asyncio.AbstractEventLoop) -> Iterator[Callable[..., PoolDriver]]:
    """Starts pools; in the end they are stopped, and nothing of them may be left."""
    before = set(psutil.Process().children(recursive=True))
    descriptors = psutil.Process().num_fds()
    drivers: list[PoolDriver] = []

    def start(**options: Any) -> PoolDriver:
        drivers.append(PoolDriver(PoolOptions(**{"workers": 2, **options}), loop))
        return drivers[-1].start()

    yield start
    for driver in drivers:
        driver.stop()
    assert set(psutil.Process().children(recursive=True)) == before
    assert psutil.Process().num_fds() == descriptors


@pytest.fixture
def pool(start_pool: Callable[..., PoolDriver]) -> PoolDriver:
    """A pool of two slots."""
    return start_pool()
