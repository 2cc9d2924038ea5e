"""The SDK's three faces: `Client`, `AsyncClient`, `Executor`."""

import asyncio
from collections.abc import Callable
from concurrent.futures import as_completed
from dataclasses import dataclass

import pytest

from mpcsfaas.client import AsyncClient, Client, Executor
from mpcsfaas.testing.deployment import Deployment

LARGE = bytes(range(250)) * 40_000
"""10 MB."""


@dataclass
class Point:
    """No worker can import this class."""

    x: int
    y: int


class OutOfRange(Exception):
    """Nor this."""


def mirrored(point: Point) -> Point:
    return Point(point.y, checked(point.x))


def checked(number: int) -> int:
    if number > 100:
        raise OutOfRange(number)
    return number


def nap_and_return(number: int) -> int:
    """Later items end first."""
    import time

    time.sleep(0.1 / (number + 1))
    return number


def test_functions_and_classes_travel_by_value(client: Client) -> None:
    assert client.run(mirrored, Point(1, 2)) == Point(2, 1)
    function_id = client.register(mirrored)
    assert client.submit(function_id, Point(3, 4)).result(30) == Point(4, 3)


def test_an_exception_is_raised_as_itself_with_the_remote_traceback(client: Client) -> None:
    with pytest.raises(OutOfRange) as caught:
        client.run(mirrored, Point(101, 2))
    assert caught.value.args == (101,)
    assert "in checked" in str(caught.value.__cause__)


def test_a_map_keeps_the_order(client: Client) -> None:
    assert list(client.map(nap_and_return, range(20))) == list(range(20))
    assert sorted(client.map(nap_and_return, range(20), unordered=True)) == list(range(20))


def test_a_map_gives_errors_in_their_place(client: Client) -> None:
    first, error, last = client.map(checked, [1, 101, 3], errors="return")
    assert (first, last) == (1, 3)
    assert isinstance(error, OutOfRange)


def test_a_decorated_function(client: Client) -> None:
    @client.function(max_retries=1)
    def double(x: int) -> int:
        return 2 * x

    assert double.remote(21).result(30) == 42
    assert double(21) == 42


def test_an_executor(platform: Deployment) -> None:
    with Executor(platform.url) as executor:
        assert list(executor.map(pow, range(100), range(100), timeout=60)) == list(map(pow, range(100), range(100)))
        futures = [executor.submit(nap_and_return, number) for number in range(10)]
        assert sorted(future.result() for future in as_completed(futures, timeout=60)) == list(range(10))
        with pytest.raises(OutOfRange):
            executor.submit(checked, 101).result(30)


def test_an_asynchronous_client(platform: Deployment) -> None:
    async def use() -> None:
        async with AsyncClient(platform.url) as client, asyncio.timeout(60):
            assert await asyncio.gather(*(client.run(checked, number) for number in range(20))) == list(range(20))
            assert [value async for value in client.map(nap_and_return, range(20))] == list(range(20))
            task = await client.submit(checked, 101)
            with pytest.raises(OutOfRange):
                await task.result()

    asyncio.run(use())


@pytest.mark.parametrize("function", [bytes, len], ids=["both ways", "there"])
def test_large_payloads_travel(client: Client, function: Callable[[bytes], object]) -> None:
    assert client.run(function, LARGE) == function(LARGE)


def test_functions_of_a_folder_of_the_users_own(client: Client) -> None:
    """Nothing of ours shadows a module that is called `tests`."""

    def double(x: int) -> int:
        from tests import double  # type: ignore[attr-defined]

        return int(double(x))

    assert client.run(double, 21) == 42
