"""Finds a platform on this machine, or starts one."""

import atexit
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import IO, Any, NamedTuple

from mpcsfaas.client.base import rebuild
from mpcsfaas.client.client import Client
from mpcsfaas.client.errors import AccessDenied, GatewayUnavailable

START_TIMEOUT = 30.0
DRAIN_TIMEOUT = 5.0
"""Seconds that running tasks get to end in when it is stopped; those that do not are run again the next time."""
STOP_TIMEOUT = 15.0
PROBE_TIMEOUT = 2.0

_UP = ("-m", "mpcsfaas", "up", "--port", "0", "--drain-timeout", str(DRAIN_TIMEOUT))
_LAUNCH = """
import ctypes, os, sys
parent, *words = sys.argv[1:]
ctypes.CDLL(None).prctl(1, 15)  # PR_SET_PDEATHSIG: SIGTERM when the thread that started us ends
if os.getppid() == int(parent):
    os.execv(sys.executable, [sys.executable, *words])
"""


class _Running(NamedTuple):
    url: str
    pid: int


class EmbeddedClient(Client):
    """A client of a platform of its own, which is stopped when the client is closed, or at the interpreter's exit."""

    def __init__(self, platform: "PlatformChild", **settings: Any) -> None:
        super().__init__(platform.url, **settings)
        self._platform = platform

    def close(self) -> None:
        """Close the connections and stop the platform. What it has not finished, it will when it is started again."""
        super().close()
        self._platform.stop()

    def __reduce__(self) -> tuple[Any, ...]:
        """In another process it is an ordinary client."""
        return rebuild, (Client, self._settings, dict(self._session.options))


def connect(**settings: Any) -> Client:
    """A client of the platform at hand; `settings` are those of `Client`.

    That is the one that `MPCSFAAS_URL` names; else one that this user runs with `mpcsfaas up`; else a new one, started
    as a child process, which stops when the client is closed or the interpreter exits. Its tasks are kept in the user's
    state folder, so what was not finished then goes on the next time.

    Raises `GatewayUnavailable`, with its output, if a new platform does not start.
    """
    if os.environ.get("MPCSFAAS_URL"):
        return Client(**settings)
    running = find_running()
    if running is not None:
        return Client(running.url, **settings)
    return EmbeddedClient(PlatformChild(), **settings)


def state_folder() -> Path:
    """Where this user's platform keeps its state."""
    base = os.environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local" / "state") / "mpcsfaas"


def find_running() -> _Running | None:
    """The platform that this user runs, if it is alive and answers."""
    try:
        running = _read(state_folder() / "up.json")
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return running if _is_alive(running.pid) and _answers(running.url) else None


class PlatformChild:
    """`mpcsfaas up` as a child process, which ends when this process does, even by `kill -9`."""

    def __init__(self, *arguments: str) -> None:
        """Start it, with more words on its command line, and wait until it is ready. Raises `GatewayUnavailable`."""
        self._pid = os.getpid()
        with tempfile.TemporaryDirectory(prefix="mpcsfaas-") as folder:
            self._start(Path(folder), arguments)

    def _start(self, folder: Path, arguments: Sequence[str]) -> None:
        ready_file, log_file = folder / "ready.json", folder / "log"
        with log_file.open("wb") as log:
            words = [*_UP, "--ready-file", str(ready_file), *arguments]
            self._process = _spawn([sys.executable, "-c", _LAUNCH, str(self._pid), *words], log)
        atexit.register(self.stop)
        try:
            self.url = self._wait_until_ready(ready_file, log_file)
        except BaseException:
            self.stop()
            raise

    def _wait_until_ready(self, ready_file: Path, log_file: Path) -> str:
        end = time.monotonic() + START_TIMEOUT
        while self._process.poll() is None and time.monotonic() < end:
            if ready_file.exists():
                return _read(ready_file).url
            time.sleep(0.01)
        reason = "is not ready" if self._process.poll() is None else f"ended with code {self._process.returncode}"
        output = log_file.read_text(errors="replace")[-2000:]
        raise GatewayUnavailable(f"A platform was started with `mpcsfaas up`, but {reason}. Its output:\n{output}")

    def stop(self) -> None:
        """Stop it, and kill it if it takes long. Idempotent; does nothing in a forked process."""
        if self._pid != os.getpid():
            return
        atexit.unregister(self.stop)
        self._process.terminate()
        try:
            self._process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _spawn(command: Sequence[str], log: IO[bytes]) -> "subprocess.Popen[bytes]":
    """Start a child from a thread that lives as long as it does, for that thread's end is what the child is told of."""
    started: Future[subprocess.Popen[bytes]] = Future()

    def run() -> None:
        try:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        except BaseException as error:
            started.set_exception(error)
        else:
            started.set_result(process)
            process.wait()

    threading.Thread(target=run, name="mpcsfaas-platform", daemon=True).start()
    return started.result()


def _read(path: Path) -> _Running:
    content = json.loads(path.read_text())
    return _Running(str(content["url"]), int(content["pid"]))


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _answers(url: str) -> bool:
    with Client(url, timeout=PROBE_TIMEOUT) as client:
        try:
            client.stats()
        except GatewayUnavailable:
            return False
        except AccessDenied:
            return True  # Whoever asks is told so.
    return True
