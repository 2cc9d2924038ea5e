"""The hub misses nothing, whatever the order of events, the readers' speed and the storage's health."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpcsfaas.errors import StorageUnavailable
from mpcsfaas.gateway.completions import Hub
from mpcsfaas.gateway.problems import Problem
from mpcsfaas.interfaces.storage import Completion, StorageOptions
from mpcsfaas.model import AttemptRecord, Function, State, Task, TaskOptions, Transition
from mpcsfaas_storage_memory import MemoryStorage

FUNCTION = Function("f", "f", b"", "dill", 0.0)
GROUPS = ("a", "b")


class MoodyStorage(MemoryStorage):
    """Answers late, and sometimes not at all."""

    def __init__(self, chance: random.Random, failure_rate: float = 0.0) -> None:
        super().__init__("memory://", StorageOptions())
        self.chance = chance
        self.failure_rate = failure_rate
        self.follows = 0

    async def _dawdle(self) -> None:
        for _ in range(self.chance.randint(0, 3)):
            await asyncio.sleep(0)
        if self.chance.random() < self.failure_rate:
            raise StorageUnavailable("moody")

    async def latest_completion(self) -> int:
        self.follows += 1
        await self._dawdle()
        latest = await super().latest_completion()
        await self._dawdle()
        return latest

    async def completions(self, after: int, limit: int = 1000, group: str | None = None) -> list[Completion]:
        await self._dawdle()
        found = await super().completions(after, limit, group)
        await self._dawdle()
        return found

    async def end_task(self, task_id: str, group: str | None) -> None:
        """One task, from nothing to its end."""
        await self.put_function(FUNCTION)
        await self.enqueue([Task(task_id, FUNCTION.id, b"", "dill", 0.0, TaskOptions(group=group))])
        (attempt,) = await self.claim("d", 1, 60.0)
        assert await self.finish([Transition(attempt.key, State.COMPLETED, AttemptRecord(attempt.number))]) == [True]


@pytest.fixture(autouse=True)
def retry_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mpcsfaas.gateway.completions.RETRY_DELAY", 0.0)


def run(work: Coroutine[Any, Any, None]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(30):
            await work

    asyncio.run(limited())


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - the condition has no event of its own
        await asyncio.sleep(0.001)


@asynccontextmanager
async def hub_over(storage: MemoryStorage, **limits: int) -> AsyncIterator[Hub]:
    await storage.open()
    hub = Hub(storage, **limits)
    try:
        yield hub
    finally:
        await hub.close()
        await storage.close()


async def read_on(hub: Hub, group: str, chance: random.Random, seen: list[Completion]) -> None:
    """A slow or fast reader that drops out now and then and resumes where it was."""
    while True:
        patience = chance.randint(1, 10)
        with suppress(StorageUnavailable):
            async with aclosing(hub.feed(group, seen[-1].sequence if seen else 0, 60.0)) as feed:
                async for completions in feed:
                    seen.extend(completions)
                    await asyncio.sleep(0)
                    patience -= 1
                    if not patience:
                        break


async def end_tasks(storage: MoodyStorage, count: int) -> None:
    for number in range(count):
        await storage.end_task(str(number), storage.chance.choice(GROUPS))
        for _ in range(storage.chance.randint(0, 4)):
            await asyncio.sleep(0)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 5), st.integers(1, 5), st.sampled_from([0.0, 0.1]))
def test_every_reader_gets_every_completion_of_its_group_once_and_in_order(
    seed: int, chunk: int, backlog: int, failure_rate: float
) -> None:
    """Chunks and backlogs are so small that every reader lags at times."""
    chance = random.Random(seed)
    storage = MoodyStorage(chance, failure_rate)

    async def check() -> None:
        async with hub_over(storage, chunk=chunk, backlog=backlog) as hub:
            readers: list[tuple[str, list[Completion]]] = [(group, []) for group in GROUPS * 2]
            tasks = [asyncio.create_task(read_on(hub, group, chance, seen)) for group, seen in readers]
            await end_tasks(storage, 30)
            for group, seen in readers:
                expected = await MemoryStorage.completions(storage, 0, 1000, group)
                await until(lambda seen=seen, expected=expected: len(seen) >= len(expected))  # type: ignore[misc]
                assert seen == expected
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    run(check())


async def wait_for_end(hub: Hub, storage: MoodyStorage, task_id: str) -> None:
    """What a request with `wait` does."""
    with hub.watch(task_id) as ended:
        while True:
            with suppress(StorageUnavailable):
                await hub.following()
                break
        (record,) = await storage.get_tasks([task_id])
        if record is None or not record.state.is_terminal:
            await ended.wait()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([0.0, 0.1]))
def test_no_waiter_sleeps_through_the_end_of_its_task(seed: int, failure_rate: float) -> None:
    """The task ends before, while or after its waiter begins to wait."""
    chance = random.Random(seed)
    storage = MoodyStorage(chance, failure_rate)

    async def end(task_id: str) -> None:
        await asyncio.sleep(chance.choice([0, 0.0001]))
        await storage.end_task(task_id, None)

    async def check() -> None:
        async with hub_over(storage) as hub:
            names = [str(number) for number in range(10)]
            work = [*(wait_for_end(hub, storage, name) for name in names), *(end(name) for name in names)]
            chance.shuffle(work)
            await asyncio.gather(*work)
            assert hub.audience == 0

    run(check())


def test_there_is_one_follower_for_all_and_none_for_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mpcsfaas.gateway.completions.LINGER", 0.0)
    storage = MoodyStorage(random.Random(0))

    async def check() -> None:
        async with hub_over(storage) as hub:
            with hub.watch("a"), hub.watch("b"):
                await asyncio.gather(hub.following(), hub.following())
                await hub.following()
            assert storage.follows == 1
            await storage.end_task("c", None)  # wakes the follower, which finds nobody left and ends
            await until(lambda: not hub.is_following)
            with hub.watch("d"):
                await hub.following()
            assert storage.follows == 2

    run(check())


def test_the_follower_stays_for_whoever_comes_soon() -> None:
    storage = MoodyStorage(random.Random(0))

    async def check() -> None:
        async with hub_over(storage) as hub:
            for name in "abc":
                with hub.watch(name) as ended:
                    await hub.following()
                    await storage.end_task(name, None)
                    await ended.wait()
            assert storage.follows == 1

    run(check())


def test_a_storage_that_is_down_is_said_at_once_and_can_come_back() -> None:
    storage = MoodyStorage(random.Random(0), failure_rate=1.0)

    async def check() -> None:
        async with hub_over(storage) as hub:
            with hub.watch("a") as ended:
                with pytest.raises(StorageUnavailable):
                    await hub.following()
                storage.failure_rate = 0.0
                await hub.following()
                storage.failure_rate = 1.0
                await storage.end_task("a", None)
                await asyncio.sleep(0.01)
                storage.failure_rate = 0.0
                await ended.wait()

    run(check())


def test_closing_ends_waits_and_streams_and_refuses_new_ones() -> None:
    async def stream(hub: Hub, collected: list[Sequence[Completion]]) -> None:
        async for completions in hub.feed("a", 0, 60.0):
            collected.append(completions)

    async def wait(hub: Hub) -> None:
        with hub.watch("b") as ended:
            await hub.following()
            await ended.wait()

    async def check() -> None:
        collected: list[Sequence[Completion]] = []
        async with hub_over(MoodyStorage(random.Random(0))) as hub:
            work = [asyncio.create_task(stream(hub, collected)), asyncio.create_task(wait(hub))]
            await until(lambda: hub.audience == 2)
            await hub.close()
            await asyncio.gather(*work)
            with pytest.raises(Problem) as caught:
                await hub.following()
            assert caught.value.status_code == 503

    run(check())


def test_closing_while_the_follower_starts_is_a_503_for_those_who_wait_for_it() -> None:
    class NeverStorage(MemoryStorage):
        async def latest_completion(self) -> int:
            await asyncio.Event().wait()
            raise AssertionError

    async def check() -> None:
        async with hub_over(NeverStorage("memory://", StorageOptions())) as hub:
            following = asyncio.create_task(hub.following())
            await asyncio.sleep(0)
            await hub.close()
            with pytest.raises(Problem):
                await following

    run(check())
