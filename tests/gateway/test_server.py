"""Serving and stopping: in the caller's loop, and by uvicorn alone."""

import asyncio
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from mpcsfaas.errors import SettingsError
from mpcsfaas.gateway.app import create_app
from mpcsfaas.gateway.server import serve
from mpcsfaas.gateway.settings import GatewaySettings
from mpcsfaas.interfaces import Serializer
from mpcsfaas.interfaces.storage import StorageOptions
from mpcsfaas.testing.gateway import GatewayThread, HandDispatcher, uvicorn_alone
from mpcsfaas.testing.platform import wait_until
from mpcsfaas_storage_memory import MemoryStorage


@pytest.fixture
def fresh(settings: GatewaySettings, serializers: list[Serializer]) -> Iterator[GatewayThread]:
    with GatewayThread(MemoryStorage("memory://", StorageOptions()), serializers, settings) as running:
        yield running


def test_open_streams_end_at_the_stop(fresh: GatewayThread) -> None:
    with httpx.stream("GET", f"{fresh.url}/v1/groups/g/stream", timeout=30) as answer:
        lines = answer.iter_lines()
        next(lines)
        fresh.stop()
        assert all(line in ("", ": alive") for line in lines)
    with pytest.raises(httpx.ConnectError):
        httpx.get(fresh.url)


def test_readers_that_do_not_read_are_cut_off(fresh: GatewayThread) -> None:
    function = {"name": "f", "payload": "gASVEgAAAAAAAACMCG9wZXJhdG9ylIwDYWRklJOULg=="}
    function_id = httpx.post(f"{fresh.url}/v1/functions", json=function).json()["id"]
    tasks = [{"function_id": function_id, "group": "g"}] * 400
    httpx.post(f"{fresh.url}/v1/tasks:batch", json={"tasks": tasks})
    dispatcher = HandDispatcher(fresh)
    dispatcher.complete(dispatcher.claim(), b'"%b"' % (b"x" * 20_000))
    with socket.create_connection(("127.0.0.1", fresh.port)) as sleeper:
        sleeper.sendall(b"GET /v1/groups/g/stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
        wait_until(lambda: fresh.audience == 1, what="the stream")
        fresh.stop()
        assert fresh.audience == 0


def test_signals_are_left_to_the_caller(settings: GatewaySettings, serializers: list[Serializer]) -> None:
    async def main() -> None:
        before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
        stop, storage = asyncio.Event(), MemoryStorage("memory://", StorageOptions())
        ports: list[int] = []

        def started(port: int) -> None:
            ports.append(port)
            assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
            stop.set()

        await serve(create_app(storage, serializers, settings), port=0, stop=stop, started=started)
        assert ports[0] > 0

    asyncio.run(main())


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_an_address_that_cannot_be_bound_is_named(
    settings: GatewaySettings, serializers: list[Serializer], host: str
) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as taken:
        port = taken.getsockname()[1]
        app = create_app(MemoryStorage("memory://", StorageOptions()), serializers, settings)
        with pytest.raises(SettingsError, match=f"{host}:{port}"):
            asyncio.run(serve(app, host, port, stop=asyncio.Event()))


def test_a_host_that_does_not_exist_is_named(settings: GatewaySettings, serializers: list[Serializer]) -> None:
    app = create_app(MemoryStorage("memory://", StorageOptions()), serializers, settings)
    with pytest.raises(SettingsError, match=r"256\.0\.0\.1"):
        asyncio.run(serve(app, "256.0.0.1", 0, stop=asyncio.Event()))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_uvicorn_alone_serves_and_stops_though_streams_are_open(tmp_path: Path, number: signal.Signals) -> None:
    with uvicorn_alone(tmp_path, "memory://") as (process, url):
        assert httpx.get(f"{url}/healthz", timeout=30).status_code == 200
        with httpx.stream("GET", f"{url}/v1/groups/g/stream", timeout=30) as answer:
            assert answer.status_code == 200
            process.send_signal(number)
            assert list(answer.iter_lines()) == []
        process.wait(30)
        assert b"Traceback" not in (tmp_path / "log").read_bytes()
