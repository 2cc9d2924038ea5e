"""Coming up, going down, and being killed."""

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from mpcsfaas.errors import MpcsfaasError
from mpcsfaas.worker.folders import PREFIX, PoolFolder
from mpcsfaas.worker.options import PoolOptions
from mpcsfaas.worker.pool import ProcessPool

if TYPE_CHECKING:
    from tests.worker.conftest import PoolDriver

PATIENCE = 20.0

VICTIM = """
import asyncio, os, time
from mpcsfaas.interfaces import Assignment
from mpcsfaas.model import Attempt, Function, Task
from mpcsfaas.worker.options import PoolOptions
from mpcsfaas.worker.pool import ProcessPool
from mpcsfaas_serializers.cloudpickle import CloudpickleSerializer

def leave_a_daemon_and_hang():
    import os, time
    if os.fork() == 0:
        os.setsid()
        os.execvpe("sleep", ["sleep", "1000"], {"PATH": os.environ["PATH"]})
    print("hangs")
    time.sleep(1000)

async def main():
    serializer = CloudpickleSerializer()
    pool = ProcessPool(PoolOptions(workers=2), [serializer], print, lambda: None, "victim")
    await pool.start()
    function = Function("id", "name", serializer.dumps(leave_a_daemon_and_hang), "cloudpickle", 0.0)
    task = Task("task", "id", serializer.dumps_call((), {}), "cloudpickle", 0.0)
    pool.submit([Assignment(Attempt(task, 1, 0.0), function, None)])
    await asyncio.sleep(1000)

asyncio.run(main())
"""


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "gave up waiting"
        time.sleep(0.01)


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    return [process for process in processes if is_alive(process)]


def is_alive(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_pool_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    """Not even a daemon that a task has started, nor a folder."""
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    victim = psutil.Popen([sys.executable, "-c", VICTIM], env=environment)
    wait_until(lambda: "sleep" in [process.name() for process in victim.children(recursive=True)])
    below = victim.children(recursive=True)
    assert len(below) == 4
    victim.send_signal(number)
    victim.wait()
    wait_until(lambda: not alive(below))
    wait_until(lambda: not os.listdir(tmp_path))


def test_the_folder_of_a_pool_that_was_killed_with_its_fork_server_is_removed_by_the_next(tmp_path: Path) -> None:
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    victim = psutil.Popen([sys.executable, "-c", VICTIM], env=environment)
    wait_until(lambda: len(victim.children(recursive=True)) == 4)
    below = victim.children(recursive=True)
    for process in below:
        process.suspend()
    for process in [victim, *below]:
        process.kill()
    victim.wait()
    (left,) = tmp_path.iterdir()
    subprocess.run(
        [sys.executable, "-c", "from mpcsfaas.worker.folders import PoolFolder; PoolFolder().remove()"],
        env=environment,
        check=True,
    )
    assert left.name.startswith(PREFIX)
    assert os.listdir(tmp_path) == []


def test_the_folder_of_a_living_pool_is_kept(pool: "PoolDriver") -> None:
    def folders() -> set[Path]:
        return set(Path(tempfile.gettempdir()).glob(f"{PREFIX}*"))

    before = folders()
    assert before
    PoolFolder().remove()
    assert folders() == before
    assert pool.works()


def test_stop_kills_what_runs_and_may_be_repeated(start_pool: Callable[..., "PoolDriver"]) -> None:
    pool = start_pool()
    pool.submit(pool.assignment(time.sleep, 1000), pool.assignment(time.sleep, 1000))
    pool.wait_until(lambda: pool.pool.busy() == 2)
    pool.stop()
    assert pool.reports == []
    pool.stop()


def test_stop_before_start() -> None:
    async def stop() -> None:
        await ProcessPool(PoolOptions(), [], lambda results: None, lambda: None, "worker").stop()

    asyncio.run(stop())


def test_after_stop_nothing_is_taken(start_pool: Callable[..., "PoolDriver"]) -> None:
    pool = start_pool()
    pool.stop()
    pool.pool.submit([pool.assignment(abs, 1)])
    pool.pool.cancel([])
    assert (pool.pool.capacity(), pool.pool.busy()) == (0, 0)


def test_children_that_do_not_start_are_told_at_start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "msgspec.py").write_text("raise RuntimeError('this is no msgspec')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    pool = ProcessPool(PoolOptions(workers=2), [], lambda results: None, lambda: None, "worker")
    with pytest.raises(MpcsfaasError, match="this is no msgspec"):
        asyncio.run(pool.start())


def test_a_start_that_is_refused_is_tried_again(
    start_pool: Callable[..., "PoolDriver"], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = start_pool(workers=1)

    def refuse() -> None:
        raise OSError("no room")

    monkeypatch.setattr(pool.pool, "_new_child", refuse)
    result = pool.call(os._exit, 1)
    assert result.failure is not None
    pool.wait_until(lambda: "no room" in caplog.text)
    assert pool.pool.capacity() == 0
    monkeypatch.undo()
    assert pool.works()


def test_an_idle_pool_does_nothing(start_pool: Callable[..., "PoolDriver"]) -> None:
    pool = start_pool()
    assert pool.works()
    processes = pool.processes()
    assert processes
    pool.loop.run_until_complete(asyncio.sleep(0.2))
    before = [sum(process.num_ctx_switches()) for process in processes]
    pool.loop.run_until_complete(asyncio.sleep(0.3))
    assert [sum(process.num_ctx_switches()) for process in processes] == before
