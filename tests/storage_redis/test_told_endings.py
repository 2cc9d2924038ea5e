"""Who follows is told how tasks ended, and asks the server only for what was not told."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from mpcsfaas.model import State, Task, TaskResult, new_task_id
from mpcsfaas.testing.redis_server import RedisServer
from mpcsfaas.testing.storage_cases.world import complete, make_function
from mpcsfaas_storage_redis import RedisStorage

Opened = Callable[..., AbstractAsyncContextManager[RedisStorage]]

PATIENCE = 30.0


async def end(storage: RedisStorage, value: bytes) -> str:
    """The id of a task that returned this."""
    task = Task(new_task_id(), make_function("work").id, b"arguments", "dill", time.time())
    await storage.enqueue([task])
    attempts = await storage.claim("dispatcher", 1, 60)
    assert await storage.finish([complete(attempt, value) for attempt in attempts]) == [True]
    return task.id


@asynccontextmanager
async def followed(storage: RedisStorage) -> AsyncIterator[Callable[[], "asyncio.Future[list[str]]"]]:
    """Gives what waits for the next completion, once the storage is known to be told of them."""
    await end(storage, b"first")
    after = (await storage.wait_for_completions(0, PATIENCE))[-1].sequence
    while True:  # Until the first message that is heard.
        await end(storage, b"another")
        after += 1
        await storage.wait_for_completions(after - 1, PATIENCE)
        if storage._recent.is_latest(after):
            break

    async def following() -> list[str]:
        return [item.task_id for item in await storage.wait_for_completions(after, PATIENCE)]

    yield lambda: asyncio.ensure_future(following())


def questions(server: RedisServer) -> int:
    """How often the server was asked for results or for the feed, by whomever."""
    told = server.command("INFO", "commandstats").decode()
    lines = [line.split(":") for line in told.splitlines() if line.startswith(("cmdstat_exec:", "cmdstat_xrange:"))]
    return sum(int(values.split(",")[0].removeprefix("calls=")) for _, values in lines)


def test_a_small_result_is_told_and_not_asked_for(server: RedisServer, opened: Opened) -> None:
    async def run() -> None:
        async with (
            asyncio.timeout(PATIENCE),
            opened(server.url, poll_interval=PATIENCE) as gateway,
            opened(server.url) as dispatcher,
            followed(gateway) as follow,
        ):
            hearing = follow()
            await asyncio.sleep(0)
            before = questions(server)
            task_id = await end(dispatcher, b"small")
            assert await hearing == [task_id]
            assert await gateway.get_results([task_id]) == [TaskResult(task_id, State.COMPLETED, "dill", b"small")]
            assert questions(server) == before

    asyncio.run(run())


def test_a_large_result_is_asked_for(server: RedisServer, opened: Opened) -> None:
    large = bytes(300 * 1024)

    async def run() -> None:
        async with (
            asyncio.timeout(PATIENCE),
            opened(server.url, poll_interval=PATIENCE) as gateway,
            opened(server.url) as dispatcher,
            followed(gateway) as follow,
        ):
            hearing = follow()
            before = questions(server)
            task_id = await end(dispatcher, large)
            assert await hearing == [task_id]
            assert await gateway.get_results([task_id]) == [TaskResult(task_id, State.COMPLETED, "dill", large)]
            assert questions(server) > before

    asyncio.run(run())


def test_what_ends_in_another_database_is_not_believed(server: RedisServer, opened: Opened) -> None:
    """All databases of a server share its channels, and these have the same prefix."""
    base, _, _ = server.url.rpartition("/")

    async def run() -> None:
        async with (
            asyncio.timeout(PATIENCE),
            opened(f"{base}/0") as ours,
            opened(f"{base}/1") as theirs,
            followed(ours) as follow,
        ):
            hearing = follow()
            foreign = await end(theirs, b"theirs")
            assert await ours.get_results([foreign]) == [None]
            task_id = await end(ours, b"ours")
            assert await hearing == [task_id]
            assert await ours.get_results([foreign]) == [None]

    asyncio.run(run())
