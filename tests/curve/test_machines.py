"""A worker on another machine, with its key file brought by hand; and the commands that make and revoke it."""

from pathlib import Path

import pytest

from mpcsfaas.client import Client
from mpcsfaas.testing.command_line import CommandLine
from mpcsfaas.testing.deployment import Deployment
from mpcsfaas.testing.ledger import Ledger
from mpcsfaas.testing.platform import PlatformProcess, wait_until


@pytest.fixture
def mpcsfaas(tmp_path: Path) -> CommandLine:
    """Of the user who runs the dispatcher."""
    (tmp_path / "state").mkdir()
    return CommandLine(tmp_path / "state")


@pytest.mark.parametrize("mode", ["push", "pull"])
def test_a_worker_elsewhere_works_until_its_key_is_revoked(mode: str, tmp_path: Path, mpcsfaas: CommandLine) -> None:
    """Then it ends and says why, and what it ran runs elsewhere, if there is somebody."""
    ledger = Ledger(tmp_path / "ledger")
    file = tmp_path / "elsewhere" / "gpu-1.key"
    file.parent.mkdir()
    with Deployment(tmp_path, mode) as deployment:
        gateway = deployment.gateway()
        deployment.dispatcher()
        deployment.start()
        assert f"--worker-key {file.name}" in mpcsfaas("worker-keys", "create", "gpu-1", "--file", str(file)).output
        words = ("1", deployment.workers_url, "--worker-key", str(file))
        with PlatformProcess(file.parent, *words, command=f"{mode}-worker") as worker, Client(gateway.url) as client:
            task = client.submit(ledger.held_task(), "held", True)
            wait_until(ledger.entries, 30, "the task having begun")
            mpcsfaas("worker-keys", "revoke", "gpu-1")
            wait_until(lambda: not worker.is_running, 30, "the end of the worker")
            assert "refuses this worker. Its key is no longer admitted." in worker.log
            deployment.worker(1).start()
            ledger.release()
            assert task.result(30)[0] == "held"
            assert client.task(task).losses == 1


def test_the_commands(mpcsfaas: CommandLine) -> None:
    server = mpcsfaas("worker-keys", "show-server").output.strip()
    mpcsfaas("worker-keys", "create", "gpu-1")
    assert f'dispatcher-key = "{server}"' in (mpcsfaas.folder / "gpu-1.key").read_text()
    assert [key["name"] for key in mpcsfaas.json("worker-keys", "list")] == ["gpu-1", "local"]
    assert "There is a worker key 'gpu-1' already" in mpcsfaas.error("worker-keys", "create", "gpu-1", code=2)
    mpcsfaas("worker-keys", "revoke", "gpu-1")
    assert "gpu-1" not in mpcsfaas("worker-keys", "list").output
    assert "There is no worker key 'gpu-1'" in mpcsfaas.error("worker-keys", "revoke", "gpu-1", code=2)


def test_a_key_that_cannot_be_used_is_a_wrong_setting(mpcsfaas: CommandLine) -> None:
    words = ("push-worker", "1", "tcp://127.0.0.1:5555", "--worker-key", "gpu-1.key")
    assert "gpu-1.key cannot be read: No such file" in mpcsfaas.error(*words, code=2)
    (mpcsfaas.folder / "file").touch()
    error = mpcsfaas.error(*words[:3], code=2, XDG_STATE_HOME=f"{mpcsfaas.folder}/file")
    assert "--insecure-plaintext" in error
