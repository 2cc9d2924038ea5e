"""A platform whose workers are pushed to, and workers of it, each in a process of its own."""

import itertools
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from mpcsfaas.testing.platform import PlatformProcess

StartWorker = Callable[..., PlatformProcess]


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def tcp_url(free_port: int) -> str:
    return f"tcp://127.0.0.1:{free_port}"


@pytest.fixture(params=["tcp", "ipc"])
def url(request: pytest.FixtureRequest, tcp_url: str, tmp_path: Path) -> str:
    return tcp_url if request.param == "tcp" else f"ipc://{tmp_path}/push"


@pytest.fixture
def platform_at(tmp_path: Path) -> Callable[..., PlatformProcess]:
    """A platform, not started, whose workers are to connect to a URL."""
    folder = tmp_path / "platform"
    folder.mkdir()
    return lambda url, *arguments: PlatformProcess(folder, "--plugin", "push", "--push-url", url, *arguments)


@pytest.fixture
def start_worker(tmp_path: Path) -> Iterator[StartWorker]:
    """Start a worker with so many slots, which is ended with the test."""
    numbers = itertools.count()
    with ExitStack() as ends:

        def start(slots: int, url: str, *arguments: str) -> PlatformProcess:
            folder = tmp_path / f"worker{next(numbers)}"
            folder.mkdir()
            words = ["--plugin", "push", "--url", url, "-n", str(slots), *arguments]
            worker = PlatformProcess(folder, *words, command="worker")
            worker.start()
            ends.callback(worker.kill)
            return worker

        yield start
