"""A full disk: what cannot be kept is refused with a reason, and what was accepted ends once there is room again."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from mpcsfaas.client import Client
from mpcsfaas.model import State
from mpcsfaas.testing.deployment import Deployment
from mpcsfaas.testing.platform import PlatformProcess, wait_until
from mpcsfaas.testing.redis_server import RedisServer

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 and "CI" not in os.environ, reason="only root can mount a small disk; .ci/run is root's"
)

MEGABYTE = 1024 * 1024


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 24 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(place)], check=True)
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


@contextmanager
def filled(disk: Path) -> Iterator[None]:
    """No byte is left."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(MEGABYTE)):
                pass
        except OSError:
            pass
        for size in (4096, 1):
            try:
                while file.write(bytes(size)):
                    pass
            except OSError:
                continue
    yield
    filler.unlink()


def submit(url: str, function: str, count: int) -> list[requests.Response]:
    """One task after the other, each of some size; all answers."""
    body = {"function_id": function, "args": ["x" * 20_000]}
    return [requests.post(f"{url}/v1/tasks", json=body, timeout=30) for _ in range(count)]


def check_refusals(answers: list[requests.Response]) -> None:
    """Each says why, and when to try again."""
    for answer in answers:
        if answer.status_code != 202:
            assert answer.status_code == 503
            assert int(answer.headers["Retry-After"]) > 0
            assert answer.json()["detail"]


def check_acceptances(client: Client, answers: list[requests.Response]) -> None:
    """Each task for which there was a 202 ends well; nothing else is kept."""
    accepted = [answer.json()["id"] for answer in answers if answer.status_code == 202]
    wait_until(lambda: all(client.status(task).is_terminal for task in accepted), 60, "the end of what was accepted")
    assert [client.status(task) for task in accepted] == [State.COMPLETED] * len(accepted)
    assert {record.id for record in client.tasks()} >= set(accepted)


def test_under_sqlite(disk: Path) -> None:
    storage = f"sqlite:///{disk}/tasks.db"
    with PlatformProcess(disk.parent, "-w", "1", "--storage", storage) as platform, Client(platform.url) as client:
        function = client.register(len)
        answers = submit(platform.url, function, 5)
        with filled(disk):
            refused = submit(platform.url, function, 30)
            check_refusals(refused)
            assert {answer.status_code for answer in refused} == {503}
        check_acceptances(client, [*answers, *refused, *submit(platform.url, function, 5)])


def test_under_the_log_of_redis(disk: Path) -> None:
    with RedisServer(disk, aof="everysec") as redis, Deployment(disk.parent, "local", redis.url) as deployment:
        gateway = deployment.gateway()
        deployment.dispatcher("-w", "1")
        deployment.start()
        with Client(gateway.url, timeout=60) as client:
            function = client.register(len)
            answers = submit(gateway.url, function, 5)
            check_acceptances(client, answers)
            with filled(disk):
                wait_until(lambda: submit(gateway.url, function, 1)[0].status_code == 503, 30, "Redis refusing")
                refused = submit(gateway.url, function, 10)
                check_refusals(refused)
            wait_until(lambda: submit(gateway.url, function, 1)[0].status_code == 202, 30, "Redis accepting again")
            check_acceptances(client, refused)


def test_of_a_worker(disk: Path) -> None:
    """What tasks print is kept there: they run all the same, or fail with that reason, and it recovers."""
    temporary = disk / "tmp"
    temporary.mkdir()
    with Deployment(disk.parent, "push") as deployment:
        gateway = deployment.gateway()
        deployment.dispatcher()
        deployment.worker(1, environment={"TMPDIR": str(temporary)})
        deployment.start()
        with Client(gateway.url, timeout=60) as client:
            assert client.run(len, "before") == 6
            with filled(disk):
                noisy = client.submit_many(print, [("x" * 10_000,)] * 5)
                wait_until(lambda: all(client.status(task).is_terminal for task in noisy), 30, "the end of all")
                assert client.run(len, "quiet") == 5
            assert client.run(print, "afterwards") is None
