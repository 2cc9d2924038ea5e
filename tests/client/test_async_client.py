"""`AsyncClient` against a real platform; what it shares with `Client` is tested there."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any

import pytest

from mpcsfaas.client import AsyncClient, AsyncRemoteFunction, errors
from mpcsfaas.model import State
from mpcsfaas.testing.fake_gateway import FakeGateway
from mpcsfaas.testing.platform import PlatformProcess

LONG = 3600
Test = Callable[[AsyncClient], Awaitable[None]]


@pytest.fixture
def perform(platform: PlatformProcess) -> Callable[[Test], None]:
    """Runs a coroutine function with a client, in an event loop of its own."""

    async def main(test: Test) -> None:
        async with AsyncClient(platform.url) as client:
            await test(client)

    return lambda test: asyncio.run(main(test))


def fail(text: str) -> None:
    raise KeyError(text)


async def collect(items: AsyncIterator[Any]) -> list[Any]:
    return [item async for item in items]


def test_running(perform: Callable[[Test], None]) -> None:
    async def test(client: AsyncClient) -> None:
        assert await client.run(pow, 2, 5) == 32
        handle = await client.submit(pow, 2, 6)
        assert await handle.result(30) == 64
        assert await handle.done()
        handles = await client.submit_many(pow, [(2, 1), (2, 2)])
        assert await asyncio.gather(*(handle.result() for handle in handles)) == [2, 4]
        assert await client.run(await client.register(pow), 2, 3) == 8
        with pytest.raises(KeyError, match="gone"):
            await client.run(fail, "gone")
        failed = await client.submit(fail, "gone")
        with pytest.raises(KeyError):
            await failed.result()
        again = await client.retry(failed)
        assert (await client.task(again)).retry_of == failed.id

    perform(test)


def test_tasks(perform: Callable[[Test], None]) -> None:
    async def test(client: AsyncClient) -> None:
        handle = await client.with_options(group="async").submit(time.sleep, LONG)
        with pytest.raises(TimeoutError):
            await handle.result(0.05)
        assert await handle.cancel() is State.CANCELLED
        with pytest.raises(errors.TaskCancelled):
            await handle.result()
        assert [record.id for record in await collect(client.tasks(group="async"))] == [handle.id]
        assert (await client.task(handle)).state is State.CANCELLED
        printed = await client.submit(print, "hello")
        await printed.result()
        assert (await printed.logs()).stdout == "hello\n"
        assert await collect(client.functions())
        assert (await client.stats()).cancelled
        assert await client.workers()

    perform(test)


def test_many_at_once(perform: Callable[[Test], None]) -> None:
    async def test(client: AsyncClient) -> None:
        numbers = await asyncio.gather(*(client.run(abs, number) for number in range(50)))
        assert numbers == list(range(50))

    perform(test)


def test_decorated(perform: Callable[[Test], None]) -> None:
    async def test(client: AsyncClient) -> None:
        @client.function(timeout=10)
        def double(number: int) -> int:
            """Double."""
            return 2 * number

        assert isinstance(double, AsyncRemoteFunction)
        assert (double.__name__, double.__doc__, double(1)) == ("double", "Double.", 2)
        assert await (await double.remote(4)).result() == 8
        assert await collect(double.map(range(30), batch_size=7)) == list(range(0, 60, 2))
        quick = double.with_options(timeout=5)
        assert (await client.task(await quick.remote(1))).options.timeout == 5

    perform(test)


def test_map(perform: Callable[[Test], None]) -> None:
    async def test(client: AsyncClient) -> None:
        values = await collect(client.map(divmod, [1, 2], [1, 0], errors="return"))
        assert values[0] == (1, 0)
        assert isinstance(values[1], ZeroDivisionError)
        async with aclosing(client.map(abs, itertools.count(), batch_size=3)) as endless:  # type: ignore[type-var]
            assert [await anext(endless) for _ in range(20)] == list(range(20))

    perform(test)


def test_a_map_survives_a_stream_that_breaks(gateway: FakeGateway) -> None:
    async def main() -> None:
        async with AsyncClient(gateway.url, timeout=10) as client:
            gateway.cut_after = 50
            assert await collect(client.map(abs, range(200), batch_size=20)) == list(range(200))
            assert len(gateway.streams) == 2

    asyncio.run(main())


def test_a_gateway_that_is_not_there() -> None:
    async def main() -> None:
        async with AsyncClient("http://127.0.0.1:9", timeout=0.1) as client:
            await client.stats()

    with pytest.raises(errors.GatewayUnavailable, match="cannot be reached"):
        asyncio.run(main())
