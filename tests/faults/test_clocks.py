"""Clocks that are wrong by an hour, and jump by two: only the server's time counts, and only differences here."""

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mpcsfaas.client import Client, TaskHandle
from mpcsfaas.model import State
from mpcsfaas.testing.deployment import Deployment
from mpcsfaas.testing.platform import wait_until
from mpcsfaas.testing.redis_server import RedisServer

HOUR = 3600
LIBRARY = "libfaketimeMT.so.1"


class WrongClock:
    """What a process sees as the time, if it is started with `environment`. Its monotonic clock is right."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.set(0)

    def set(self, seconds: int) -> None:
        """How much it is ahead."""
        self._path.write_text(f"{seconds:+d}")

    @property
    def environment(self) -> dict[str, str]:
        return {
            "LD_PRELOAD": str(find_library()),
            "FAKETIME_TIMESTAMP_FILE": str(self._path),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }


def find_library() -> Path:
    found = [path for path in Path("/usr/lib").glob(f"**/faketime/{LIBRARY}")]
    if not found and not os.environ.get("CI"):
        pytest.skip(f"{LIBRARY} is not installed; it is in Debian's package libfaketime")
    return found[0]


@pytest.fixture
def clocks(tmp_path: Path) -> dict[str, WrongClock]:
    return {part: WrongClock(tmp_path / f"{part}-clock") for part in ("gateway", "dispatcher", "worker")}


@pytest.fixture
def client(tmp_path: Path, clocks: dict[str, WrongClock]) -> Iterator[Client]:
    """Of a platform each of whose parts has a clock of its own; that of Redis is right."""
    with RedisServer(tmp_path) as redis, Deployment(tmp_path, "push", redis.url) as deployment:
        clocks["gateway"].set(HOUR)
        clocks["dispatcher"].set(-HOUR)
        clocks["worker"].set(HOUR // 2)
        gateway = deployment.gateway(environment=clocks["gateway"].environment)
        deployment.dispatcher(environment=clocks["dispatcher"].environment)
        deployment.worker(2, environment=clocks["worker"].environment)
        deployment.start()
        with Client(gateway.url, timeout=60) as client:
            wait_until(client.workers, 30, "the dispatcher's report")
            yield client


def fail_once(path: str) -> str:
    """Raises the first time."""
    import pathlib

    if pathlib.Path(path).exists():
        return "done"
    pathlib.Path(path).touch()
    raise RuntimeError("not yet")


def test_wrong_clocks(client: Client, clocks: dict[str, WrongClock], tmp_path: Path) -> None:
    """Deadlines, delays, pauses before retries and times to live are what they were asked to be."""
    for round_number, jump in enumerate((0, 2 * HOUR, -2 * HOUR)):
        clocks["dispatcher"].set(-HOUR + jump)
        clocks["gateway"].set(HOUR - jump)
        asked_at = time.time()
        mark = str(tmp_path / f"mark{round_number}")
        tasks: list[TaskHandle[Any]] = [
            client.with_options(deadline=50.0).submit(abs, -1),
            client.with_options(delay=0.5).submit(abs, -2),
            client.with_options(max_retries=1, retry_delay=0.1).submit(fail_once, mark),
            client.submit(time.sleep, 1.0),
        ]
        assert [task.result(30) for task in tasks] == [1, 2, "done", None]
        records = [client.task(task) for task in tasks]
        assert [record.state for record in records] == [State.COMPLETED] * len(tasks)
        assert [record.losses for record in records] == [0] * len(tasks)
        assert all(asked_at - 5 < record.created_at < time.time() + 5 for record in records)
    assert all(worker.last_seen for dispatcher in client.workers() for worker in dispatcher.workers)


def test_the_library_does_what_is_wanted(tmp_path: Path) -> None:
    import subprocess

    clock = WrongClock(tmp_path / "clock")
    clock.set(HOUR)
    python = shutil.which("python3")
    assert python
    script = "import time; print(time.time(), time.monotonic())"
    told = subprocess.run([python, "-c", script], env=clock.environment, check=True, capture_output=True, text=True)
    wall, monotonic = map(float, told.stdout.split())
    assert wall - time.time() == pytest.approx(HOUR, abs=60)
    assert monotonic == pytest.approx(time.monotonic(), abs=60)
