"""What only workers that connect can do: over a socket file, without a dispatcher, and at once when told twice."""

import os
import signal
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import pytest

from mpcsfaas.client import Client, Executor
from mpcsfaas.testing.deployment import Deployment
from mpcsfaas.testing.ledger import Ledger
from mpcsfaas.testing.platform import wait_until, wait_until_gone


@pytest.fixture(params=["pull", "push"])
def mode(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_a_socket_file_will_do(mode: str, tmp_path: Path, ledger: Ledger) -> None:
    """And a second signal ends a worker in the middle of its task."""
    url = f"ipc://{tmp_path}/workers"
    with Deployment(tmp_path, mode) as deployment:
        platform = deployment.part("up", "-m", mode, f"--{mode}-url", url)
        worker = deployment.part("worker", "-m", mode, "--url", url, "-n", "2")
        deployment.start()
        with Client(platform.url) as client, Executor(client) as executor:
            assert list(executor.map(abs, range(-100, 0), timeout=60)) == list(range(100, 0, -1))
            task = client.submit(ledger.held_task(), "held", True)
            wait_until(ledger.entries, 30, "the task having begun")
            children = worker.descendants()
            os.kill(worker.pid, signal.SIGTERM)
            wait_until(lambda: "finishing what runs" in worker.log, 10, "the first signal being heard")
            assert worker.terminate() == 0
            wait_until_gone(children, what="the children")
            client.cancel(task)


def test_a_worker_without_a_dispatcher_ends_when_told(mode: str, tmp_path: Path) -> None:
    with Deployment(tmp_path, mode) as deployment, deployment.worker(1) as worker:
        assert worker.terminate() == 0


def test_nothing_waits_at_one_worker_for_a_long_task_while_another_is_idle(
    mode: str, tmp_path: Path, ledger: Ledger
) -> None:
    """After short tasks a worker holds many, for it cannot know that the next is long."""
    with Deployment(tmp_path, mode) as deployment, ExitStack() as ends:
        ends.callback(ledger.release)
        gateway = deployment.gateway()
        deployment.dispatcher()
        workers = [deployment.worker(1) for _ in range(2)]
        deployment.start()
        with Client(gateway.url) as client:
            wait_until(lambda: _registered(client) == len(workers), 30, "both workers being registered")
            task = client.register(ledger.held_task())
            warm_up = client.submit_many(task, [(f"warm-up-{number}", False) for number in range(50)])
            assert [handle.result(30)[0] for handle in warm_up] == [f"warm-up-{number}" for number in range(50)]
            names = ["held", *(f"quick-{number}" for number in range(30))]
            held, *quick = client.submit_many(task, [(name, name == "held") for name in names])
            assert [handle.result(30)[0] for handle in quick] == names[1:]
            assert "held" not in [entry.name for entry in ledger.ends()]
            ledger.release()
            assert held.result(30)[0] == "held"
            records = [client.task(handle) for handle in [held, *quick]]
    assert Counter(ledger.names()[50:]) == dict.fromkeys(names, 1)
    assert {(record.attempt, record.losses) for record in records} == {(1, 0)}


def _registered(client: Client) -> int:
    return sum(len(dispatcher.workers) for dispatcher in client.workers())
