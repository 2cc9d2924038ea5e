"""The connection itself: who gets which answer, what is sent when, and how it ends."""

import asyncio
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
from redis.exceptions import ResponseError

from mpcsfaas.errors import StorageUnavailable
from mpcsfaas.testing.redis_server import RedisServer
from mpcsfaas_storage_redis import RedisOptions, RedisStorage
from mpcsfaas_storage_redis.connecting import connect
from mpcsfaas_storage_redis.connection import Connection
from mpcsfaas_storage_redis.location import parse

Opened = Callable[..., AbstractAsyncContextManager[RedisStorage]]
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

PATIENCE = 20.0


@asynccontextmanager
async def listening(serve: Serve, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """The port at which somebody is served as the test wants it."""

    async def serve_and_hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(serve_and_hang_up, "127.0.0.1", 0, ssl=tls)
    async with server:
        yield server.sockets[0].getsockname()[1]


@asynccontextmanager
async def connected(port: int, timeout: float = PATIENCE) -> AsyncIterator[Connection]:
    async with asyncio.timeout(PATIENCE):
        connection = await connect(parse(f"redis://127.0.0.1:{port}"), timeout)
        try:
            yield connection
        finally:
            await connection.close()


def test_each_gets_its_own_answers_also_beside_errors_and_callers_who_left(server: RedisServer) -> None:
    async def run() -> None:
        async with connected(server.port) as connection:
            calls = [
                asyncio.create_task(connection.exchange([("ECHO", f"{n}"), ("NONSENSE",), ("ECHO", b"x" * n)]))
                for n in range(0, 50_000, 1000)
            ]
            await asyncio.sleep(0)
            for call in calls[::3]:
                call.cancel()
            await asyncio.wait(calls)
            for number, call in enumerate(calls):
                if number % 3:
                    first, error, last = call.result()
                    assert (first, last) == (b"%d" % (number * 1000), b"x" * number * 1000)
                    assert isinstance(error, ResponseError)

    asyncio.run(run())


def test_what_cannot_be_sent_harms_nobody_else(server: RedisServer) -> None:
    async def run() -> None:
        async with connected(server.port) as connection:
            good = asyncio.create_task(connection.exchange([("PING",)]))
            bad = asyncio.create_task(connection.exchange([("PING",), ("ECHO", "\ud800")]))
            other = asyncio.create_task(connection.exchange([("ECHO", "hello")]))
            await asyncio.wait([good, bad, other])
            assert (good.result(), other.result()) == ([b"PONG"], [b"hello"])
            assert isinstance(bad.exception(), UnicodeEncodeError)

    asyncio.run(run())


def test_nothing_is_sent_later_for_an_answer_that_is_owed() -> None:
    second = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"first\r\n")
        await reader.readuntil(b"second\r\n")
        second.set()
        writer.write(b"+1\r\n+2\r\n")
        await reader.read()

    async def run() -> None:
        async with listening(serve) as port, connected(port) as connection:
            first = asyncio.create_task(connection.exchange([("ECHO", "first")]))
            await asyncio.sleep(0.01)
            assert await connection.exchange([("ECHO", "second")]) == [b"2"]
            assert second.is_set()
            assert await first == [b"1"]

    asyncio.run(run())


def test_a_server_that_is_slow_but_answers_is_waited_for() -> None:
    timeout = 0.3

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(4):
            await asyncio.sleep(timeout / 2)
            writer.write(b"+OK\r\n")
        await reader.read()

    async def run() -> None:
        async with listening(serve) as port, connected(port, timeout) as connection:
            assert await connection.exchange([("PING",)] * 4) == [b"OK"] * 4
            with pytest.raises(TimeoutError, match=r"no answer for 0\.3 s"):
                await connection.exchange([("PING",)])
            assert connection.is_lost()

    asyncio.run(run())


async def say_that_it_is_full(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """As a server with as many clients as it allows."""
    writer.write(b"-ERR max number of clients reached\r\n")


async def be_a_web_server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)
    writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")


async def be_silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read()


@pytest.mark.parametrize(
    ("serve", "cause"),
    [(say_that_it_is_full, "maxclients"), (be_a_web_server, "no Redis server"), (be_silent, "Timeout")],
)
def test_who_is_no_server_that_serves_is_unavailable(serve: Serve, cause: str) -> None:
    async def run() -> None:
        async with listening(serve) as port:
            storage = RedisStorage(f"redis://127.0.0.1:{port}", RedisOptions(timeout=0.2))
            with pytest.raises(StorageUnavailable, match=cause):
                await storage.open()

    asyncio.run(run())


def test_name_and_database_are_told(server: RedisServer, opened: Opened) -> None:
    async def run() -> None:
        async with opened(f"redis://127.0.0.1:{server.port}/3?client_name=somebody"):
            assert b"name=somebody" in server.command("CLIENT", "LIST")
            assert b" db=3 " in server.command("CLIENT", "LIST")

    asyncio.run(run())


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate of 127.0.0.1, and its key."""
    paths = tmp_path / "certificate.pem", tmp_path / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*command, "-out", str(paths[0]), "-keyout", str(paths[1])], check=True, capture_output=True)
    return paths


def test_tls(server: RedisServer, opened: Opened, certificate: tuple[Path, Path]) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", server.port)
        await asyncio.gather(pass_on(reader, server_writer), pass_on(server_reader, writer))

    async def run() -> None:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(*certificate)
        async with listening(serve, tls) as port, asyncio.timeout(PATIENCE):
            url = f"rediss://127.0.0.1:{port}"
            async with opened(f"{url}?ssl_ca_certs={certificate[0]}") as one, opened(server.url) as other:
                assert await one.statistics() == await other.statistics()
            async with opened(f"{url}?ssl_cert_reqs=none"):
                pass
            with pytest.raises(StorageUnavailable, match="certificate"):
                async with opened(url):
                    pass

    asyncio.run(run())


async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Everything that comes, until the end."""
    while data := await reader.read(65536):
        writer.write(data)
    writer.close()
