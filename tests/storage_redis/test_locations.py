"""URLs: what they mean, which are refused, and the servers that are found by them."""

import asyncio
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from mpcsfaas.errors import SettingsError
from mpcsfaas.testing.redis_server import RedisServer, find_redis_server
from mpcsfaas_storage_redis import RedisStorage
from mpcsfaas_storage_redis.location import parse

Opened = Callable[..., AbstractAsyncContextManager[RedisStorage]]


@pytest.mark.parametrize(
    ("url", "hosts", "settings"),
    [
        ("redis://localhost", (("localhost", 6379),), {}),
        ("redis://127.0.0.1:6379/0", (("127.0.0.1", 6379),), {"db": 0}),
        ("redis://h/3?client_name=me", (("h", 6379),), {"db": 3, "client_name": "me"}),
        ("redis://:p%40ss@h", (("h", 6379),), {"password": "p@ss"}),
        ("redis://user:p@[::1]:7", (("::1", 7),), {"username": "user", "password": "p"}),
        ("rediss://h?ssl_check_hostname=no", (("h", 6379),), {"ssl_check_hostname": False}),
    ],
)
def test_servers(url: str, hosts: tuple[tuple[str, int], ...], settings: dict[str, object]) -> None:
    location = parse(url)
    assert (location.hosts, location.settings, location.sentinel) == (hosts, settings, None)
    assert location.is_tls is url.startswith("rediss")


def test_sockets_and_sentinels() -> None:
    local = parse("unix:///run/redis%20one.sock?db=2")
    assert (local.path, local.settings, local.name) == (
        "/run/redis one.sock",
        {"db": 2},
        "redis at /run/redis one.sock",
    )
    guarded = parse("redis://:data@a,b:7/1?sentinel=main&sentinel_password=guard")
    assert guarded.hosts == (("a", 26379), ("b", 7))
    assert guarded.settings == {"db": 1, "password": "data"}
    assert (guarded.sentinel, guarded.sentinel_settings) == ("main", {"password": "guard"})
    assert guarded.name == "redis main of the sentinels a:26379,b:7"


@pytest.mark.parametrize(
    "url",
    [
        "redis://",
        "redis:///0",
        "redis://h:0",
        "redis://h:99999",
        "redis://h:port",
        "redis://h/one",
        "redis://h/-1",
        "redis://h/1?db=2",
        "redis://h?db=-1",
        "redis://h?db=",
        "redis://h?db=1&db=1",
        "redis://h?decode_responses=yes",
        "redis://h?ssl_ca_certs=file",
        "redis://h#part",
        "redis://hidden@h",
        "redis://a,b",
        "redis://a,?sentinel=main",
        "redis://h?sentinel_password=hidden",
        "redis://user:hidden@h?nonsense",
        "rediss://h?ssl_check_hostname=perhaps",
        "unix://",
        "unix:///",
        "unix://h/path",
        "unix:///path?sentinel=main",
        "http://h",
        "redis:h",
    ],
)
def test_what_cannot_be_used_is_refused_without_telling_a_password(url: str) -> None:
    with pytest.raises(SettingsError, match="write redis://") as refusal:
        parse(url)
    assert "hidden" not in str(refusal.value)


def test_a_socket_of_this_machine(server: RedisServer, opened: Opened) -> None:
    async def run() -> None:
        async with opened(f"unix://{server.socket_path}") as one, opened(server.url) as other:
            assert await one.statistics() == await other.statistics()

    asyncio.run(run())


@pytest.fixture
def sentinel(server: RedisServer, tmp_path: Path) -> Iterator[int]:
    """The port of a sentinel that knows the server as `main`."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    configuration = tmp_path / "sentinel.conf"
    configuration.write_text(
        f"port {port}\nbind 127.0.0.1\ndir {tmp_path}\nsentinel monitor main 127.0.0.1 {server.port} 1\n"
    )
    command = [find_redis_server(), str(configuration), "--sentinel"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_for(port)
        yield port
    finally:
        process.kill()
        process.wait()


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            assert time.monotonic() < deadline, "the sentinel did not start"
            time.sleep(0.01)


def test_a_sentinel_names_the_server(sentinel: int, server: RedisServer, opened: Opened) -> None:
    async def run() -> None:
        async with opened(f"redis://127.0.0.1:{sentinel}?sentinel=main") as one, opened(server.url) as other:
            assert await one.statistics() == await other.statistics()
        with pytest.raises(Exception, match="sentinels"):
            async with opened(f"redis://127.0.0.1:{sentinel}?sentinel=unknown"):
                pass

    asyncio.run(run())
