"""Many workers in one process, each with a socket of its own, that end every attempt at once: for tests of scale.

They speak as real workers do, since the agent's own state machine decides what they say; only the pool is missing.
"""

import asyncio
import json
import os
import select
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import uvloop
import zmq
from msgspec.structs import replace

from mpcsfaas import wire
from mpcsfaas.curve import WorkerKey, owner_of
from mpcsfaas.curve.key_files import read
from mpcsfaas.interfaces import Assignment
from mpcsfaas.model import AttemptResult
from mpcsfaas.sockets import AT_ONCE, READABLE, WRITABLE, allow_open_files, make_socket, present
from mpcsfaas.worker.agent_state import AgentState, Submit

SLOTS = 2
PATIENCE_SECONDS = 30.0


class SimulatedWorkers:
    """`count` push workers with two slots each, in a process of their own, inside the `with` block.

    Each wants to hold `window` attempts. All show the key in a file of which the path is given, if one is.
    """

    def __init__(self, count: int, url: str, window: int = SLOTS, key_file: Path | None = None) -> None:
        self._command = [sys.executable, "-m", __name__, str(count), url, str(window), str(key_file or "")]

    @property
    def pid(self) -> int:
        """Of their process."""
        return self._process.pid

    def wait_until_registered(self) -> float:
        """Seconds from the first connection to the last welcome. Raises `TimeoutError`."""
        seconds: float = self._read()["registered"]
        return seconds

    def stop(self) -> dict[str, int]:
        """End them all: how many `results` they handed in, and how often one was told that it is `unknown`."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        counted: dict[str, int] = self._read()
        self._process.wait()
        return counted

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with self._process:  # Closes the pipes, and waits.
            self._process.kill()

    def _read(self) -> Any:
        assert self._process.stdout is not None
        if not select.select([self._process.stdout], [], [], PATIENCE_SECONDS)[0]:
            raise TimeoutError(f"the simulated workers have not got there in {PATIENCE_SECONDS:g} s")
        return json.loads(self._process.stdout.readline())


class Crowd:
    """All workers of a process."""

    def __init__(self, count: int, url: str, window: int, key: WorkerKey | None) -> None:
        self.started_at = time.monotonic()
        self.results = self.unknown = 0
        self._unwelcome = count
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._context.set(zmq.MAX_SOCKETS, count + 1)
        hello = wire.Hello(owner_of(key.name) if key else "", "simulated", os.getpid(), SLOTS, window)
        self._members = [
            Member(replace(hello, worker_id=f"{hello.worker_id}{number}"), self, self._socket(key), url)
            for number in range(count)
        ]

    def _socket(self, key: WorkerKey | None) -> "zmq.Socket[bytes]":
        made = make_socket(self._context, zmq.DEALER)
        if key:
            present(made, key)
        return made

    def welcome(self) -> None:
        """One more was welcomed for the first time."""
        self._unwelcome -= 1
        if not self._unwelcome:
            _tell({"registered": time.monotonic() - self.started_at})

    def close(self) -> None:
        """Drop all connections, and tell what happened."""
        for member in self._members:
            member.close()
        self._context.term()
        _tell({"results": self.results, "unknown": self.unknown})


class Member:
    """One worker."""

    def __init__(self, hello: wire.Hello, crowd: Crowd, socket: "zmq.Socket[bytes]", url: str) -> None:
        self._crowd = crowd
        self._worker_id = hello.worker_id
        self._state = AgentState(hello)
        self._was_welcome = False
        self._loop = asyncio.get_running_loop()
        self._socket = socket
        self._socket.connect(url)
        self._loop.add_reader(self._socket.fileno(), self._on_event)
        self._timer = self._loop.call_later(0.001, self._on_time)

    def close(self) -> None:
        """Say nothing more."""
        self._loop.remove_reader(self._socket.fileno())
        self._timer.cancel()
        self._socket.close(linger=0)

    def _on_event(self) -> None:
        """Hear and say until nothing came meanwhile: sending and asking swallow the signal that something did."""
        self._say()
        while self._can(READABLE):
            for frame in self._socket.recv_multipart(AT_ONCE):
                self._hear(wire.decode_from_dispatcher(frame))
            self._say()

    def _on_time(self) -> None:
        self._on_event()
        self._timer = self._loop.call_later(max(0.001, self._state.wake_at() - time.monotonic()), self._on_time)

    def _hear(self, message: wire.FromDispatcher) -> None:
        self._crowd.unknown += isinstance(message, wire.Unknown)
        for action in self._state.receive(message):
            if isinstance(action, Submit):
                self._state.finish([self._result(assignment) for assignment in action.assignments])
        if self._state.welcome and not self._was_welcome:
            self._was_welcome = True
            self._crowd.welcome()

    def _result(self, assignment: Assignment) -> AttemptResult:
        attempt, now = assignment.attempt, time.time()
        return AttemptResult(
            *attempt.key, value=attempt.task.payload, worker=self._worker_id, started_at=now, finished_at=now
        )

    def _say(self) -> None:
        while said := self._can(WRITABLE) and self._state.outgoing(time.monotonic()):
            self._crowd.results += sum(len(message.results) for message in said if isinstance(message, wire.Results))
            self._socket.send_multipart([wire.encode(message, self._state.version) for message in said], AT_ONCE)

    def _can(self, what: int) -> bool:
        return bool(self._socket.getsockopt(zmq.EVENTS) & what)  # type: ignore[operator]


def _tell(what: dict[str, float]) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


async def _work(count: int, url: str, window: int, key: WorkerKey | None) -> None:
    crowd, ended = Crowd(count, url, window, key), asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), ended.set)
    await ended.wait()
    crowd.close()


if __name__ == "__main__":
    allow_open_files()
    key = read(Path(sys.argv[4]), WorkerKey) if sys.argv[4] else None
    uvloop.run(_work(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), key))
