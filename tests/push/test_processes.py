"""Dispatcher and workers as processes, over real sockets, with a ledger that tasks write outside the platform."""

import os
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from mpcsfaas.client import Client, Executor
from mpcsfaas.model import State
from mpcsfaas.testing.platform import PlatformProcess, wait_until

PlatformAt = Callable[..., PlatformProcess]
StartWorker = Callable[..., PlatformProcess]


def entries(ledger: Path) -> list[str]:
    return ledger.read_text().split() if ledger.exists() else []


def writing(ledger: Path) -> Callable[[str, float], str]:
    """A task that writes its name into the ledger, and takes its time."""
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


def test_one_command_shows_it_all(tcp_url: str, platform_at: PlatformAt) -> None:
    """And leaves no process behind, however it ends."""
    with platform_at(tcp_url, "--workers", "2") as platform, Client(platform.url) as client:
        assert client.run(abs, -1) == 1
        [dispatcher] = client.workers()
        wait_until(lambda: len(client.workers()[0].workers) == 2, 20, "both workers being registered")
        assert dispatcher.strategy == "push"
        agents = [worker.pid for worker in client.workers()[0].workers]
        platform.kill()
        wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in agents), 10, "the workers' end")


def test_dispatcher_and_gateway_may_be_apart(tcp_url: str, tmp_path: Path, start_worker: StartWorker) -> None:
    port = tcp_url.rpartition(":")[2]
    (tmp_path / "gateway").mkdir()
    (tmp_path / "dispatcher").mkdir()
    gateway = PlatformProcess(tmp_path / "gateway", command="serve")
    words = ["--plugin", "heartbeat", "-p", port, "--storage", gateway.storage]
    with gateway, PlatformProcess(tmp_path / "dispatcher", *words, command="dispatcher"):
        start_worker(1, tcp_url, "--labels", "gpu,big")
        with Client(gateway.url) as client:
            assert client.with_options(labels=["gpu"]).run(abs, -1) == 1
            wait_until(lambda: client.workers()[0].workers, 10, "the worker being listed")
            [worker] = client.workers()[0].workers
            assert (worker.slots, worker.labels) == (1, ["gpu", "big"])


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


def test_a_cancelled_task_is_killed(
    tcp_url: str, platform_at: PlatformAt, tmp_path: Path, start_worker: StartWorker
) -> None:
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
        assert worker.terminate() == 0
        start_worker(1, tcp_url)
        assert [task.result(timeout=60) for task in tasks] == ["0", "1"]
        assert [client.task(task).losses for task in tasks] == [0, 0]
        assert Counter(entries(ledger)) == {"0": 1, "1": 1}
        wait_until(lambda: len(client.workers()[0].workers) == 1, 10, "the one that left being forgotten")
    assert "was lost" not in platform.log


def test_a_worker_without_a_dispatcher_ends_when_told(tcp_url: str, start_worker: StartWorker) -> None:
    assert start_worker(1, tcp_url).terminate() == 0


def test_a_second_signal_ends_a_worker_at_once(
    tcp_url: str, platform_at: PlatformAt, tmp_path: Path, start_worker: StartWorker
) -> None:
    ledger = tmp_path / "ledger"
    with platform_at(tcp_url) as platform, Client(platform.url) as client:
        worker = start_worker(1, tcp_url)
        task = client.submit(writing(ledger), "long", 3600.0)
        wait_until(lambda: entries(ledger), 20, "the task having begun")
        children = worker.descendants()
        os.kill(worker.pid, signal.SIGTERM)
        wait_until(lambda: "finishing what runs" in worker.log, 10, "the first signal being heard")
        assert worker.terminate() == 0
        wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in children), 10, "the children's end")
        client.cancel(task)


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
        assert client.run(abs, -1) == 1
