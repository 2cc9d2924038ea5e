"""Cancelling: at once, for good, and with all that the task had started."""

import uuid

import pytest
import requests

from mpcsfaas.client import Client, errors
from mpcsfaas.model import State
from mpcsfaas.testing.deployment import Deployment
from mpcsfaas.testing.ledger import Ledger
from mpcsfaas.testing.platform import wait_until, wait_until_gone


def test_what_runs_is_killed_with_its_descendants(client: Client, ledger: Ledger) -> None:
    path = str(ledger.path)

    def start_a_family() -> None:
        import os
        import subprocess
        from pathlib import Path

        with subprocess.Popen(["sleep", "3600"], start_new_session=True) as grandchild:
            Path(path).write_text(f"{os.getpid()} {grandchild.pid}\n")

    task = client.submit(start_a_family)
    wait_until(lambda: ledger.path.exists() and ledger.path.read_text().endswith("\n"), 30, "the task having begun")
    assert client.cancel(task) is State.CANCELLED
    wait_until_gone(map(int, ledger.path.read_text().split()), 10, "the child and the grandchild")
    with pytest.raises(errors.TaskCancelled):
        task.result(30)
    assert client.run(abs, -1) == 1
    record = client.task(task)
    assert (record.state, record.attempt, record.failure) == (State.CANCELLED, 1, None)


def test_what_waits_never_runs(client: Client, ledger: Ledger) -> None:
    later = client.with_options(delay=0.3)
    tasks = [later.submit(ledger.task(), name, 0.0) for name in ("cancelled", "kept")]
    assert client.cancel(tasks[0]) is State.CANCELLED
    assert tasks[1].result(30) == "kept"
    assert ledger.names() == ["kept"]
    assert client.task(tasks[0]).attempt == 0


def test_what_has_ended_stays_as_it_is(client: Client) -> None:
    task = client.submit(abs, -1)
    assert task.result(30) == 1
    assert client.cancel(task) is State.COMPLETED


def test_in_a_race_the_first_end_is_the_only_one(client: Client) -> None:
    """Some of these have ended when they are cancelled, some run, and some wait."""
    tasks = client.submit_many(abs, [(number,) for number in range(100)])
    states = [client.cancel(task) for task in tasks]
    assert set(states) <= {State.COMPLETED, State.CANCELLED}
    assert client.run(abs, -1) == 1
    assert [client.status(task) for task in tasks] == states


def test_many_are_cancelled_at_once(client: Client, platform: Deployment) -> None:
    nowhere = client.with_options(labels=[uuid.uuid4().hex])
    ids = [task.id for task in nowhere.submit_many(abs, [(1,), (2,), (3,)])]
    answer = requests.post(f"{platform.url}/v1/tasks:cancel", json={"ids": ids}, timeout=30).json()
    assert answer == {"results": [{"id": task_id, "state": "CANCELLED"} for task_id in ids]}
