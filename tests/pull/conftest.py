"""A platform whose workers pull, and workers of it, each in a process of its own."""

import itertools
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from mpcsfaas.testing.platform import PlatformProcess, wait_until

StartWorker = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(params=["tcp", "ipc"])
def url(request: pytest.FixtureRequest, free_port: int, tmp_path: Path) -> str:
    return f"tcp://127.0.0.1:{free_port}" if request.param == "tcp" else f"ipc://{tmp_path}/pull"


@pytest.fixture
def tcp_url(free_port: int) -> str:
    return f"tcp://127.0.0.1:{free_port}"


@pytest.fixture
def platform_at(tmp_path: Path) -> Callable[[str], PlatformProcess]:
    """A platform, not started, whose workers are to connect to a URL."""
    folder = tmp_path / "platform"
    folder.mkdir()
    return lambda url: PlatformProcess(folder, "--plugin", "pull", "--pull-url", url)


@pytest.fixture
def start_worker(tmp_path: Path) -> Iterator[StartWorker]:
    """Start `mpcsfaas pull-worker SLOTS URL …`, which is ended with the test."""
    numbers = itertools.count()
    with ExitStack() as ends:

        def start(slots: int, url: str, *arguments: str) -> "subprocess.Popen[bytes]":
            folder = tmp_path / f"worker{next(numbers)}"
            folder.mkdir()
            ready = folder / "ready.json"
            command = [sys.executable, "-m", "mpcsfaas", "pull-worker", str(slots), url, "--ready-file", str(ready)]
            environment = os.environ | {"XDG_STATE_HOME": str(folder), "HOME": str(folder)}
            with (folder / "log").open("wb") as log:
                process = subprocess.Popen(
                    [*command, *arguments], env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
                )
            ends.callback(_end, process)
            wait_until(lambda: ready.exists() or process.poll() is not None, 30, "a worker being ready")
            assert process.poll() is None, (folder / "log").read_text()
            assert json.loads(ready.read_text())["pid"] == process.pid
            return process

        yield start


def _end(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        process.kill()
    process.wait()
