"""A real gateway on a real socket, in a thread of the test's process, and a dispatcher that is worked by hand."""

import asyncio
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self, TypeVar

import uvloop

from mpcsfaas.gateway.app import create_app
from mpcsfaas.gateway.context import Gateway
from mpcsfaas.gateway.server import serve
from mpcsfaas.gateway.settings import GatewaySettings
from mpcsfaas.interfaces import Serializer, Storage
from mpcsfaas.model import Attempt, AttemptRecord, Failure, State, Transition

T = TypeVar("T")

PATIENCE = 30.0
"""Seconds after which a test that waits for the gateway gives up."""


class GatewayThread:
    """Serves a gateway over `storage` inside the `with` block; both live in an event loop of their own."""

    def __init__(self, storage: Storage, serializers: Sequence[Serializer], settings: GatewaySettings) -> None:
        self.storage = storage
        self.app = create_app(storage, serializers, settings)
        self.url = ""
        self.port = 0
        self._loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="gateway", daemon=True)
        self._serving: Any = None

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine, such as a call of the storage, in the gateway's event loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE)

    @property
    def audience(self) -> int:
        """How many requests wait for the end of tasks just now."""
        gateway: Gateway = self.app.state.gateway
        return gateway.hub.audience

    def stop(self) -> None:
        """Stop serving, gracefully. Idempotent."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._serving.result(PATIENCE)

    def __enter__(self) -> Self:
        """Start, and wait until connections are accepted."""
        self._thread.start()
        self._stop = self.run(_make_event())
        self.run(self.storage.open())
        started = threading.Event()

        def note(port: int) -> None:
            self.port, self.url = port, f"http://127.0.0.1:{port}"
            started.set()

        serving = serve(self.app, port=0, stop=self._stop, started=note, grace=1.0)
        self._serving = asyncio.run_coroutine_threadsafe(serving, self._loop)
        assert started.wait(PATIENCE), "the gateway did not start"
        return self

    def __exit__(self, *_: object) -> None:
        """Stop, and close the storage."""
        self.stop()
        self.run(self.storage.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE)
        self._loop.close()


class HandDispatcher:
    """Claims and ends tasks one by one, as a test says."""

    def __init__(self, gateway: GatewayThread, name: str = "by-hand") -> None:
        self._gateway = gateway
        self._name = name

    def claim(self, limit: int = 10_000) -> list[Attempt]:
        """Take what is ready."""
        return self._gateway.run(self._gateway.storage.claim(self._name, limit, 60.0))

    def claim_with(self, *labels: set[str]) -> list[Attempt]:
        """Take what is ready for workers with these sets of labels."""
        sets = [frozenset(names) for names in labels]
        return self._gateway.run(self._gateway.storage.claim(self._name, 10_000, 60.0, sets))

    def complete(self, attempts: Sequence[Attempt], value: bytes) -> None:
        """End attempts well, all with one value."""
        self._finish([_transition(attempt, State.COMPLETED, value=value) for attempt in attempts])

    def fail(self, attempts: Sequence[Attempt], failure: Failure, value: bytes = b"") -> None:
        """End attempts badly."""
        self._finish([_transition(attempt, State.FAILED, value=value, failure=failure) for attempt in attempts])

    def _finish(self, transitions: Sequence[Transition]) -> None:
        assert all(self._gateway.run(self._gateway.storage.finish(transitions)))


def _transition(attempt: Attempt, to: State, value: bytes = b"", failure: Failure | None = None) -> Transition:
    record = AttemptRecord(attempt.number, worker="by-hand", claimed_at=attempt.claimed_at, failure=failure)
    return Transition(attempt.key, to, record, value=value, failure=failure, stdout="out\n", stderr="err\n")


@contextmanager
def uvicorn_alone(folder: Path, storage: str) -> Iterator[tuple["subprocess.Popen[bytes]", str]]:
    """`uvicorn mpcsfaas.gateway:app` on a free port, set up by the environment, and its URL; its output is in `log`."""
    with socket.create_server(("127.0.0.1", 0)) as listener, (folder / "log").open("wb") as log:
        environment = os.environ | {"MPCSFAAS_STORAGE": storage, "XDG_STATE_HOME": str(folder), "HOME": str(folder)}
        command = [sys.executable, "-m", "uvicorn", "mpcsfaas.gateway:app", "--fd", str(listener.fileno())]
        process = subprocess.Popen(
            command, env=environment, cwd=folder, pass_fds=[listener.fileno()], stdout=log, stderr=log
        )
        try:
            yield process, f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            process.kill()
            process.wait()


async def _make_event() -> asyncio.Event:
    return asyncio.Event()
