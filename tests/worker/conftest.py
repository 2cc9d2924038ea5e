"""A pool that tests drive from outside its event loop, and short ways to make assignments."""

import asyncio
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
import uvloop

from mpcsfaas.interfaces import Assignment, Serializer
from mpcsfaas.model import Attempt, AttemptKey, AttemptResult, Function, Task, function_id, new_task_id
from mpcsfaas.testing.sandbox import require_bubblewrap
from mpcsfaas.worker.folders import PREFIX
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
    if getattr(function, "__module__", "").startswith("tests"):
        function.__module__ = "__main__"  # the child cannot import the tests, so let them travel by value
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

    def processes(self) -> list[psutil.Process]:
        """What is below the fork servers of all pools here: their children, and whatever tasks have started."""
        return [process for server in fork_servers() for process in server.children(recursive=True)]

    def works(self) -> bool:
        """Every slot still runs tasks."""
        return all(result.failure is None for result in self.run(*(make_assignment(os.getpid) for _ in range(8))))


@pytest.fixture(scope="session", autouse=True)
def _a_place_of_our_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Other pools on this machine come and go; and uvloop opens a pipe when it is first used, and keeps it."""
    tempfile.tempdir = str(tmp_path_factory.mktemp("pools"))
    uvloop.run(asyncio.sleep(0))
    yield
    tempfile.tempdir = None


@contextmanager
def new_loop(factory: Callable[[], asyncio.AbstractEventLoop]) -> Iterator[asyncio.AbstractEventLoop]:
    loop = factory()
    yield loop
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()


@contextmanager
def nothing_left_behind() -> Iterator[None]:
    """No process, descriptor or folder may be left."""

    def traces() -> tuple[set[psutil.Process], int, set[Path]]:
        return (
            set(psutil.Process().children(recursive=True)),
            psutil.Process().num_fds(),
            set(Path(tempfile.gettempdir()).glob(f"{PREFIX}*")),
        )

    before = traces()
    yield
    assert traces() == before


@contextmanager
def running_pool(
    factory: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop, **options: Any
) -> Iterator[PoolDriver]:
    with new_loop(factory) as loop, nothing_left_behind():
        driver = PoolDriver(PoolOptions(**{"workers": 2, **options}), loop)
        driver.start()
        yield driver
        driver.stop()


@pytest.fixture(scope="module")
def confinement(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Options of all pools of a test, which may write in its temporary folder wherever they are; none by default."""
    sandbox = getattr(request, "param", None)
    if sandbox is None:
        return {}
    require_bubblewrap()
    return {"sandbox": sandbox, "sandbox_writable": (str(tmp_path_factory.getbasetemp()),)}


@pytest.fixture
def start_pool(confinement: dict[str, Any]) -> Iterator[Callable[..., PoolDriver]]:
    """Starts pools with options, on asyncio's own loop; in the end they are stopped, and must leave nothing."""
    with ExitStack() as stack:
        yield lambda **options: stack.enter_context(running_pool(**confinement, **options))


def fork_servers() -> list[psutil.Process]:
    """The pools' own processes among all that tests have started, in sandboxes too."""
    started = [child for child in psutil.Process().children() if "mpcsfaas.worker.fork_server" in command_of(child)]
    return [inner for child in started for inner in (child.children() if child.name() == "bwrap" else [child])]


def command_of(process: psutil.Process) -> list[str]:
    """A process's command line; nothing, if it is gone."""
    try:
        return process.cmdline()
    except psutil.Error:
        return []


@pytest.fixture(scope="module")
def shared_pool(confinement: dict[str, Any]) -> Iterator[PoolDriver]:
    with running_pool(uvloop.new_event_loop, **confinement) as driver:
        yield driver


@pytest.fixture
def pool(shared_pool: PoolDriver) -> Iterator[PoolDriver]:
    """A pool of two slots on uvloop. A module's tests share it, so each proves that it survived the one before."""
    shared_pool.reports.clear()
    yield shared_pool
    shared_pool.wait_until(lambda: [len(server.children()) for server in fork_servers()] == [2])
