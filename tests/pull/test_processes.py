"""Dispatcher and workers as processes, over real sockets, with a ledger that tasks write outside the platform."""

import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from mpcsfaas.client import Client, Executor
from mpcsfaas.model import State
from mpcsfaas.testing.platform import PlatformProcess, wait_until

PlatformAt = Callable[[str], PlatformProcess]
StartWorker = Callable[..., "subprocess.Popen[bytes]"]


def entries(ledger: Path) -> list[str]:
    return ledger.read_text().split() if ledger.exists() else []


def writing(ledger: Path) -> Callable[[str, float], str]:
    """A task that writes its name and its process into the ledger, and takes its time."""
    path = str(ledger)

    def write(name: str, seconds: float) -> str:
        import os
        import time

        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(descriptor, f"{name}\n".encode())
        os.fsync(descriptor)
        os.close(descriptor)
        time.sleep(seconds)
        return name

    return write


def test_work_is_done(url: str, platform_at: PlatformAt, start_worker: StartWorker) -> None:
    with platform_at(url) as platform:
        start_worker(2, url)
        start_worker(1, url)
        with Executor(platform.url) as executor:
            assert list(executor.map(abs, range(-300, 0), timeout=60)) == list(range(300, 0, -1))


def test_a_killed_workers_task_runs_elsewhere(
    tcp_url: str, platform_at: PlatformAt, tmp_path: Path, start_worker: StartWorker
) -> None:
    ledger = tmp_path / "ledger"
    with platform_at(tcp_url) as platform, Client(platform.url) as client:
        victim = start_worker(1, tcp_url)
        task = client.submit(writing(ledger), "once", 0.5)
        wait_until(lambda: entries(ledger), 20, "the task having begun")
        victim.kill()
        start_worker(1, tcp_url)
        assert task.result(timeout=60) == "once"
        record = client.task(task)
        assert (record.attempt, record.losses) == (2, 1)
        assert entries(ledger) == ["once", "once"]


def test_a_restarted_dispatcher_adopts_what_runs(
    tcp_url: str, platform_at: PlatformAt, tmp_path: Path, start_worker: StartWorker
) -> None:
    ledger = tmp_path / "ledger"
    platform = platform_at(tcp_url)
    with platform:
        start_worker(2, tcp_url)
        with Client(platform.url) as client:
            tasks = [client.submit(writing(ledger), name, 4.0).id for name in ("ann", "bob")]
            wait_until(lambda: len(entries(ledger)) == 2, 20, "the tasks having begun")
        platform.kill()
        platform.start()
        with Client(platform.url) as client:
            assert [client.result(task, timeout=60) for task in tasks] == ["ann", "bob"]
            assert [client.task(task).attempt for task in tasks] == [1, 1]
        assert Counter(entries(ledger)) == {"ann": 1, "bob": 1}


def test_a_cancelled_task_is_killed_within_a_second(
    tcp_url: str, platform_at: PlatformAt, tmp_path: Path, start_worker: StartWorker
) -> None:
    """Even if the worker is full, and so fetches nothing. The limit here is wide, as the machine may be busy."""
    ledger = tmp_path / "ledger"
    path = str(ledger)

    def run_for_ever() -> None:
        import os
        import time

        Path(path).write_text(str(os.getpid()))
        time.sleep(3600)

    with platform_at(tcp_url) as platform, Client(platform.url) as client:
        start_worker(1, tcp_url)
        task = client.submit(run_for_ever)
        wait_until(lambda: entries(ledger), 20, "the task having begun")
        [child] = map(int, entries(ledger))
        assert client.cancel(task) is State.CANCELLED
        wait_until(lambda: not Path(f"/proc/{child}").exists(), 10, "the child's death")
        assert client.run(abs, -1) == 1


def test_a_worker_that_is_told_to_end_finishes(
    tcp_url: str, platform_at: PlatformAt, tmp_path: Path, start_worker: StartWorker
) -> None:
    ledger = tmp_path / "ledger"
    with platform_at(tcp_url) as platform, Client(platform.url) as client:
        worker = start_worker(1, tcp_url)
        tasks = [client.submit(writing(ledger), str(number), 1.0) for number in range(2)]
        wait_until(lambda: entries(ledger), 20, "a task having begun")
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(30) == 0
        start_worker(1, tcp_url)
        assert [task.result(timeout=60) for task in tasks] == ["0", "1"]
        assert [client.task(task).losses for task in tasks] == [0, 0]
        assert Counter(entries(ledger)) == {"0": 1, "1": 1}


def test_a_stopped_workers_late_result_is_fenced(
    tcp_url: str, platform_at: PlatformAt, tmp_path: Path, start_worker: StartWorker
) -> None:
    """It is taken for dead, wakes up, and is a worker like any other again."""
    ledger = tmp_path / "ledger"
    with platform_at(tcp_url) as platform, Client(platform.url) as client:
        sleeper = start_worker(1, tcp_url)
        task = client.submit(writing(ledger), "name", 1.0)
        wait_until(lambda: entries(ledger), 20, "the task having begun")
        os.kill(sleeper.pid, signal.SIGSTOP)
        wait_until(lambda: client.task(task).losses == 1, 30, "the worker being given up")
        os.kill(sleeper.pid, signal.SIGCONT)
        assert task.result(timeout=60) == "name"
        assert client.task(task).attempt == 2
        assert client.run(time.monotonic) > 0
