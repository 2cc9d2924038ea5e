"""The original system's command lines, word for word, and ours that mean the same."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mpcsfaas.client import Client, errors
from mpcsfaas.testing.command_line import CommandLine
from mpcsfaas.testing.deployment import Deployment
from mpcsfaas.testing.gateway import uvicorn_alone
from mpcsfaas.testing.platform import wait_until


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("place")


@pytest.fixture(scope="module")
def client(place: Path) -> Iterator[Client]:
    """Of a gateway that `uvicorn mpcsfaas.gateway:app` runs."""
    (place / "gateway").mkdir()
    with uvicorn_alone(place / "gateway", f"sqlite:///{place}/tasks.db") as (_, url), Client(url) as client:
        yield client


@pytest.mark.parametrize(
    ("strategy", "dispatcher", "worker"),
    [
        ("local", "-m local -w 1", ""),
        ("pull", "-m pull -p PORT", "pull-worker 1 URL"),
        ("push", "-m push -p PORT", "push-worker 1 URL"),
        ("pull", "--plugin pull --port PORT", "worker --plugin pull --url URL -n 1"),
        ("push", "--plugin heartbeat --port PORT", "worker -m push --url URL -w 1"),
        ("push", "-mpush --plugin=phi_accrual --push-port PORT", "worker --plugin=push --url=URL --workers=1"),
    ],
)
def test_each_spelling_works(
    strategy: str, dispatcher: str, worker: str, client: Client, place: Path, tmp_path: Path
) -> None:
    with Deployment(tmp_path, strategy, f"sqlite:///{place}/tasks.db") as deployment:
        words = {"PORT": deployment.workers_url.rpartition(":")[2], "URL": deployment.workers_url}
        for command in filter(None, (f"dispatcher --storage {deployment.storage} {dispatcher}", worker)):
            for word, meaning in words.items():
                command = command.replace(word, meaning)
            deployment.part(*command.split())
        deployment.start()
        assert client.run(abs, -1) == 1
        [running] = client.workers()
        wait_until(lambda: client.workers()[0].workers, what="the worker being listed")
        assert (running.strategy, client.workers()[0].workers[0].slots) == (strategy, 1)


def test_a_dispatchers_deadline_ends_tasks(client: Client, place: Path, tmp_path: Path) -> None:
    def sleep_long() -> None:
        import time

        time.sleep(3600)

    with Deployment(tmp_path, "local", f"sqlite:///{place}/tasks.db") as deployment:
        deployment.dispatcher("-w", "1", "--deadline", "0.5")
        deployment.start()
        with pytest.raises(errors.TaskTimeout):
            client.run(sleep_long)


@pytest.mark.parametrize(
    ("command", "default"),
    [
        ("serve", "8000"),
        ("dispatcher -m pull", "5555"),
        ("dispatcher -m push", "5555"),
        ("worker -m pull", "tcp://127.0.0.1:5555"),
    ],
)
def test_the_originals_ports_are_the_defaults(alone: CommandLine, command: str, default: str) -> None:
    """Redis' own is asserted with the locations of the Redis storage."""
    text = alone(*command.split(), "--help", COLUMNS="300").output
    assert f"Default: {default}." in text
