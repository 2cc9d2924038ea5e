"""The server goes away, hangs, dies and comes back: nothing that was acknowledged is lost, and all goes on."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, suppress
from typing import TypeVar

import pytest

from mpcsfaas.errors import StorageUnavailable
from mpcsfaas.model import State, Task, new_task_id
from mpcsfaas.testing.redis_server import RedisServer
from mpcsfaas.testing.storage_cases.world import complete, make_function
from mpcsfaas_storage_redis import RedisStorage

T = TypeVar("T")
Opened = Callable[..., AbstractAsyncContextManager[RedisStorage]]

PATIENCE = 30.0


def new_tasks(count: int = 1) -> list[Task]:
    return [Task(new_task_id(), make_function("work").id, b"arguments", "dill", time.time()) for _ in range(count)]


async def until_available(call: Callable[[], Awaitable[T]]) -> T:
    """Repeat a call, as every caller does, until the server is back."""
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                return await call()
            except StorageUnavailable:
                await asyncio.sleep(0.01)


class Crowd:
    """Some who submit and some who work, and what they were told, until the server goes away."""

    def __init__(self, storage: RedisStorage) -> None:
        self.storage = storage
        self.accepted: set[str] = set()
        self.finished: dict[str, bytes] = {}
        self.is_warm = asyncio.Event()

    async def live(self) -> None:
        await asyncio.gather(*(self._until_unavailable(act) for act in (self._submit, self._work) * 2))

    async def _until_unavailable(self, act: Callable[[], Awaitable[None]]) -> None:
        with suppress(StorageUnavailable):
            while True:
                await act()

    async def _submit(self) -> None:
        self.accepted.update(answer.task_id for answer in await self.storage.enqueue(new_tasks(20)))

    async def _work(self) -> None:
        attempts = await self.storage.claim("dispatcher", 10, 60)
        values = {attempt.task.id: attempt.task.id.encode() for attempt in attempts}
        assert all(await self.storage.finish([complete(attempt, values[attempt.task.id]) for attempt in attempts]))
        self.finished |= values
        if len(self.finished) > 300:
            self.is_warm.set()


def test_what_was_acknowledged_survives_kill_9_of_the_server(own_server: RedisServer, opened: Opened) -> None:
    async def run() -> None:
        async with opened(own_server.url) as storage, asyncio.timeout(PATIENCE):
            crowd = Crowd(storage)
            living = asyncio.create_task(crowd.live())
            await crowd.is_warm.wait()
            await asyncio.to_thread(own_server.kill)
            await living
            own_server.start()
            records = await until_available(lambda: storage.get_tasks(sorted(crowd.accepted)))
            results = await until_available(lambda: storage.get_results(sorted(crowd.finished)))
        assert None not in records
        assert {result.task_id: result.value for result in results if result} == crowd.finished
        assert {result.state for result in results if result} == {State.COMPLETED}

    asyncio.run(run())


def test_while_the_server_is_away_calls_fail_at_once_and_afterwards_all_works(
    own_server: RedisServer, opened: Opened
) -> None:
    async def run() -> None:
        async with opened(own_server.url) as storage:
            own_server.stop()
            for _ in range(20):
                with pytest.raises(StorageUnavailable, match=rf"redis at 127.0.0.1:{own_server.port} .*reached"):
                    await storage.enqueue(new_tasks())
            own_server.start()
            tasks = new_tasks(3)
            await until_available(lambda: storage.enqueue(tasks))
            assert len(await storage.claim("dispatcher", 10, 60)) == 3

    asyncio.run(run())


def test_a_restart_that_nobody_noticed_costs_no_call(own_server: RedisServer, opened: Opened) -> None:
    async def run() -> None:
        async with opened(own_server.url) as storage:
            await storage.statistics()
            own_server.kill()
            own_server.start()
            assert (await storage.statistics()).functions == 1
            await storage.enqueue(new_tasks())

    asyncio.run(run())


def test_a_server_that_hangs_is_unavailable_and_not_waited_for(own_server: RedisServer, opened: Opened) -> None:
    async def run() -> None:
        async with opened(own_server.url, timeout=0.2) as storage:
            (task,) = new_tasks()
            own_server.suspend()
            try:
                with pytest.raises(StorageUnavailable, match="Timeout"):
                    await storage.enqueue([task])
            finally:
                own_server.resume()
            (answer,) = await until_available(lambda: storage.enqueue([task]))
            assert answer.task_id == task.id
            assert (await storage.statistics()).queued == 1

    asyncio.run(run())


def test_a_wait_goes_on_after_an_outage(own_server: RedisServer, opened: Opened) -> None:
    async def run() -> None:
        async with opened(own_server.url) as storage, asyncio.timeout(PATIENCE):
            await storage.wait_for_work("dispatcher", 0)
            waiter = asyncio.create_task(until_available(lambda: storage.wait_for_work("dispatcher", PATIENCE)))
            follower = asyncio.create_task(until_available(lambda: storage.wait_for_completions(0, PATIENCE)))
            await asyncio.to_thread(own_server.kill)
            own_server.start()
            await until_available(lambda: storage.enqueue(new_tasks()))
            await waiter
            (attempt,) = await storage.claim("dispatcher", 1, 60)
            await storage.finish([complete(attempt)])
            await follower

    asyncio.run(run())


def test_opening_without_a_server_is_unavailable(own_server: RedisServer, opened: Opened) -> None:
    own_server.kill()

    async def run() -> None:
        with pytest.raises(StorageUnavailable, match="start it, or wait"):
            async with opened(own_server.url):
                pass

    asyncio.run(run())


def test_a_script_that_the_server_forgot_is_told_again(own_server: RedisServer, opened: Opened) -> None:
    async def run() -> None:
        async with opened(own_server.url) as storage:
            own_server.command("SCRIPT", "FLUSH")
            tasks = new_tasks(2)
            await asyncio.gather(*(storage.enqueue([task]) for task in tasks))
            assert (await storage.statistics()).queued == 2

    asyncio.run(run())
