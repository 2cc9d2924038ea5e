"""What only workers that connect can do: over a socket file, without a dispatcher, and at once when told twice."""

import os
import signal
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
