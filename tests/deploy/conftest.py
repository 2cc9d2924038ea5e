"""The files of `deploy/`, and the commands in them run on this machine."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from mpcsfaas.testing.platform import free_port
from mpcsfaas.testing.redis_server import RedisServer

DEPLOY = Path(__file__).parents[2] / "deploy"
PROGRAMS = Path(sys.executable).parent

RunTool = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def tool() -> RunTool:
    """Runs a program of ours or of the system. One that is missing fails the test in CI, and skips it elsewhere."""

    def run(name: str, *arguments: str | Path) -> "subprocess.CompletedProcess[str]":
        program = shutil.which(name, path=f"{PROGRAMS}:{os.environ['PATH']}")
        if program is None:
            assert "CI" not in os.environ, f"{name} is missing; .ci/run installs it"
            pytest.skip(f"{name} is not installed")
        return subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, stdin=subprocess.DEVNULL)

    return run


@pytest.fixture(scope="session")
def compose(tool: RunTool) -> dict[str, Any]:
    """The compose file as Docker Compose understands it: checked against the specification, anchors resolved."""
    done = tool("docker-compose", "-f", DEPLOY / "compose.yaml", "config", "--format", "json")
    assert (done.returncode, done.stderr) == (0, "")
    parsed: dict[str, Any] = json.loads(done.stdout)
    return parsed


class Site:
    """This machine in place of those that the files name: their addresses, folders and the Redis are ours here."""

    def __init__(self, folder: Path, redis: RedisServer, ends: ExitStack) -> None:
        self._folder = folder
        self._ends = ends
        gateway_port, dispatcher_port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{gateway_port}"
        self._places = {
            "redis://redis:6379": f"redis://127.0.0.1:{redis.port}",
            "redis://:change-me@10.0.0.1:6379": f"redis://127.0.0.1:{redis.port}",
            "tcp://dispatcher:": "tcp://127.0.0.1:",
            "0.0.0.0": "127.0.0.1",
            "10.0.0.2": "127.0.0.1",
            "8000": str(gateway_port),
            "5555": str(dispatcher_port),
        }

    def start(self, part: str, command: Sequence[str], variables: Mapping[str, str]) -> None:
        """Run a part of the platform until the end of the test."""
        folder = self._folder / part
        folder.mkdir()
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                self._words(part, command),
                cwd=folder,
                env=self._environment(part, variables),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self._ends.callback(_end, process)

    def run(self, part: str, command: Sequence[str]) -> bool:
        """Whether a command of a part, such as a health check, succeeds."""
        return not subprocess.run(
            self._words(part, command), env=self._environment(part, {}), capture_output=True
        ).returncode

    def output(self, part: str, command: Sequence[str], variables: Mapping[str, str]) -> str:
        """What a command prints where a part runs."""
        return subprocess.check_output(self._words(part, command), env=self._environment(part, variables), text=True)

    def log(self, part: str) -> str:
        """What a part has printed."""
        return (self._folder / part / "log").read_text()

    def _words(self, part: str, command: Sequence[str]) -> list[str]:
        return [self._here(part, word) for word in command]

    def _here(self, part: str, text: str) -> str:
        places = self._places | {
            "/run/mpcsfaas": str(self._folder / part),
            "/run/worker-key": str(self._folder / "state" / "keys" / "own"),
            "/etc/mpcsfaas": str(self._folder),
            "/var/lib/mpcsfaas": str(self._folder / "state"),
            "/opt/mpcsfaas/bin": str(PROGRAMS),
        }
        for theirs, ours in places.items():
            text = text.replace(theirs, ours)
        return text

    def _environment(self, part: str, variables: Mapping[str, str]) -> dict[str, str]:
        """A home that cannot be written to, as in a container with a read-only file system."""
        folder = str(self._folder / part)
        usual = {"PATH": f"{PROGRAMS}:{os.environ['PATH']}", "HOME": "/dev/null/home", "TMPDIR": folder}
        return usual | {name: self._here(part, value) for name, value in variables.items()}


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        assert process.wait(20) == 0
    finally:
        process.kill()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with RedisServer(tmp_path) as redis, ExitStack() as ends:
        yield Site(tmp_path, redis, ends)
