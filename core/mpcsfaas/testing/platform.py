"""A real platform in processes of its own, for tests: started, killed, restarted, and gone without a trace."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

START_TIMEOUT = 30.0
STOP_TIMEOUT = 30.0
PORTS = range(10_000, 22_000)
"""Below those that the kernel gives to connections, which could be given one that is free before its server starts."""
UNKNOWN_FLAGS = {"dispatcher": ("--port",)} | dict.fromkeys(
    ("worker", "push-worker", "pull-worker"), ("--storage", "--port")
)
"""Of the flags that are set by default, those that a command does not have."""


def wait_until(condition: Callable[[], object], timeout: float = 10.0, what: str = "the condition") -> None:
    """Return as soon as `condition()` is true; after `timeout` seconds raise `TimeoutError` naming `what`."""
    end = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"{what} did not become true within {timeout:g} s")
        time.sleep(0.01)


def wait_until_gone(pids: Iterable[int], timeout: float = 10.0, what: str = "processes") -> None:
    """Return as soon as none of the processes is there; after `timeout` seconds raise `TimeoutError` naming `what`."""
    places = [Path(f"/proc/{pid}") for pid in pids]
    wait_until(lambda: not any(place.exists() for place in places), timeout, f"the end of {what}")


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on just now, with room for the second port of a Redis Cluster's node."""
    while True:
        port = random.SystemRandom().choice(PORTS)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


class PlatformProcess:
    """`python -m mpcsfaas COMMAND …` with a state folder of its own, ready to serve on `url` inside the `with` block.

    `command` may be a part of the platform: `serve`, `dispatcher`, `worker`, …; `url` is empty if it has no gateway.
    Its output is in `folder/log`. It runs in a process group of its own, which `kill` takes down as one.
    """

    def __init__(
        self,
        folder: Path,
        *arguments: str,
        command: str = "up",
        environment: dict[str, str] | None = None,
        python: str = sys.executable,
    ) -> None:
        """`python` is the interpreter of the virtual environment that mpcsfaas and its plugins are installed in."""
        self.folder = folder
        self.storage = f"sqlite:///{folder}/tasks.db"
        self.url = ""
        defaults = self._defaults(command, arguments)
        self._command = [python, "-m", "mpcsfaas", command, *defaults, *arguments]
        self._environment = (
            os.environ | {name: str(folder) for name in ("XDG_STATE_HOME", "HOME", "TMPDIR")} | (environment or {})
        )
        self._process: subprocess.Popen[bytes] | None = None

    def _defaults(self, command: str, arguments: Sequence[str]) -> list[str]:
        defaults = {"--ready-file": str(self._ready_file), "--storage": self.storage, "--port": "0"}
        for flag in UNKNOWN_FLAGS.get(command, ()):
            del defaults[flag]
        return [word for flag, value in defaults.items() if flag not in arguments for word in (flag, value)]

    @property
    def _ready_file(self) -> Path:
        return self.folder / "ready.json"

    @property
    def pid(self) -> int:
        """The process id of the running platform."""
        assert self._process is not None, "the platform is not running"
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> str:
        """Everything it has printed."""
        return (self.folder / "log").read_text()

    def start(self) -> Self:
        """Start it and wait until it is ready. Raises `RuntimeError` with its output if it ends instead."""
        self._ready_file.unlink(missing_ok=True)
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command, env=self._environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True, cwd=self.folder,
            )  # fmt: skip
        wait_until(self._is_settled, START_TIMEOUT, f"'{' '.join(self._command)}' being ready")
        if self._process.poll() is not None:
            raise RuntimeError(f"the platform ended with code {self._process.returncode}:\n{self.log}")
        self.url = json.loads(self._ready_file.read_text())["url"] or ""
        return self

    def _is_settled(self) -> bool:
        return self._ready_file.exists() or self._process is None or self._process.poll() is not None

    def terminate(self) -> int:
        """Ask it to stop (SIGTERM) and wait; its exit code."""
        assert self._process is not None
        self._process.terminate()
        return self._process.wait(STOP_TIMEOUT)

    def kill(self) -> None:
        """`kill -9` of the whole tree at one moment: the platform and every process below it."""
        assert self._process is not None
        for pid in [*_descendants(self._process.pid), self._process.pid]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()

    def crash(self) -> None:
        """`kill -9` of this process alone. Wait with `wait_until_gone` for what is to die with it."""
        self._signal(signal.SIGKILL)
        assert self._process is not None
        self._process.wait()

    def suspend(self) -> None:
        """Stop this process alone; those below it run on."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None, "the platform is not running"
        self._process.send_signal(number)

    def descendants(self) -> list[int]:
        """Ids of all processes below it."""
        return _descendants(self.pid)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._process is None or self._process.poll() is not None:
            return
        self.resume()
        try:
            self.terminate()
        except subprocess.TimeoutExpired:
            self.kill()
            raise


def _descendants(pid: int) -> list[int]:
    """Children first to last, read from /proc; processes that end meanwhile are left out."""
    found = []
    for thread in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            for child in map(int, thread.read_text().split()):
                found += [child, *_descendants(child)]
    return found
