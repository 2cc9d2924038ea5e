"""Clients that do not take their answers: cut off after a while, unless they take a little now and then."""

import select
import socket
import time
from collections.abc import Iterator

import httpx
import pytest

from mpcsfaas.gateway.settings import GatewaySettings
from mpcsfaas.testing.gateway import GatewayThread, HandDispatcher
from mpcsfaas.testing.platform import wait_until

PATIENCE = 1.0
VALUE_BYTES = 2_000_000
"""More than the kernel takes for a client that has not read."""
STREAM, RESULT = "/v1/groups/g/stream", "/v1/tasks/{}/result"


@pytest.fixture(scope="module")
def settings(settings: GatewaySettings) -> GatewaySettings:
    return settings.model_copy(update={"reader_patience": PATIENCE})


@pytest.fixture(scope="module")
def task_id(gateway: GatewayThread, api: httpx.Client, function_id: str) -> str:
    """Of a task in the group `g` with a large result."""
    accepted: str = api.post("/v1/tasks", json={"function_id": function_id, "group": "g"}).json()["id"]
    dispatcher = HandDispatcher(gateway)
    dispatcher.complete(dispatcher.claim(), b'"%b"' % (b"x" * VALUE_BYTES))
    return accepted


@pytest.fixture(params=[STREAM, RESULT], ids=["stream", "result"])
def reader(request: pytest.FixtureRequest, gateway: GatewayThread, task_id: str) -> Iterator[socket.socket]:
    """A client that has asked, and takes its answer as it likes."""
    with socket.socket() as reader:
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        reader.settimeout(30)
        reader.connect(("127.0.0.1", gateway.port))
        path = request.param.format(task_id)
        reader.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        yield reader


def is_cut_off(reader: socket.socket) -> bool:
    poll = select.poll()
    poll.register(reader, 0)  # Errors only.
    return bool(poll.poll(0))


def test_who_takes_nothing_is_cut_off(reader: socket.socket) -> None:
    wait_until(lambda: is_cut_off(reader), what="the reader being cut off")


def test_who_takes_a_little_may_go_on(reader: socket.socket) -> None:
    """For longer than it might have taken nothing, and to the end."""
    taken = 0
    end = time.monotonic() + 3 * PATIENCE
    while time.monotonic() < end:
        taken += len(reader.recv(512))
        time.sleep(0.02)
    while taken < VALUE_BYTES:
        received = reader.recv(65536)
        assert received, "the answer ended early"
        taken += len(received)
