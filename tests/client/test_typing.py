"""What a type checker makes of the public names: this file is checked by mypy with the rest. Nothing here is called."""

from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Executor as StandardExecutor
from concurrent.futures import Future
from typing import Any, assert_type

from mpcsfaas import AsyncClient, Client, Executor, connect
from mpcsfaas.client import AsyncRemoteFunction, AsyncTaskHandle, RemoteFunction, TaskFuture, TaskHandle


def repeat(text: str, times: int = 2) -> str:
    return text * times


def blocking(client: Client) -> None:
    assert_type(client.run(repeat, "a", times=3), str)
    assert_type(client.run("id", 1), Any)
    assert_type(client.submit(repeat, "a"), TaskHandle[str])
    assert_type(client.submit(repeat, "a").result(), str)
    assert_type(client.result(client.submit(repeat, "a")), str)
    assert_type(client.submit_many(repeat, [("a",)]), list[TaskHandle[str]])
    assert_type(client.map(repeat, ["a"]), Iterator[str])
    assert_type(client.with_options(timeout=5), Client)
    assert_type(connect(), Client)
    client.run(repeat, 5)  # type: ignore[call-overload]
    client.run(repeat, "a", count=5)  # type: ignore[call-arg]
    client.with_options(timeuot=5)  # type: ignore[call-arg]


def decorated(client: Client, async_client: AsyncClient) -> None:
    @client.function
    def plain(text: str) -> int:
        return len(text)

    @client.function(timeout=5, max_retries=2)
    def with_options(text: str) -> int:
        return len(text)

    @async_client.function(timeout=5)
    def awaited(text: str) -> int:
        return len(text)

    assert_type(plain.remote("a"), TaskHandle[int])
    assert_type(plain.local("a"), int)
    assert_type(plain("a"), int)
    assert_type(with_options.map(["a"]), Iterator[int])
    assert_type(with_options.with_options(priority=2).remote("a").result(), int)
    assert_type(awaited.map(["a"]), AsyncIterator[int])
    plain.remote(5)  # type: ignore[arg-type]
    RemoteFunction.__name__, AsyncRemoteFunction.__name__  # noqa: B018


async def awaited(client: AsyncClient) -> None:
    assert_type(await client.run(repeat, "a"), str)
    assert_type(await client.submit(repeat, "a"), AsyncTaskHandle[str])
    assert_type(await (await client.submit(repeat, "a")).result(), str)
    assert_type(client.map(repeat, ["a"]), AsyncIterator[str])


def executor(client: Client) -> None:
    with Executor(client) as executor:
        standard: StandardExecutor = executor
        future: Future[str] = executor.submit(repeat, "a")
        assert_type(executor.submit(repeat, "a"), TaskFuture[str])
        assert_type(executor.map(repeat, ["a"]), Iterator[str])
        standard.submit(repeat, "a").add_done_callback(print)
        future.cancel()


def test_the_names_are_there() -> None:
    """Those that the checks above are about."""
    assert all([AsyncClient, Client, Executor, connect, AsyncRemoteFunction, RemoteFunction, TaskFuture, TaskHandle])
