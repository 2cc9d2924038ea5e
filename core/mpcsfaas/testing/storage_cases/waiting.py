"""Waits end when there is something, and only a hint is lost, never work. Real time passes here."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from mpcsfaas.interfaces import Storage
from mpcsfaas.testing.storage_cases.world import PATIENCE, Contract, World, case, complete, requeue

T = TypeVar("T")

FOREVER = PATIENCE * 10
"""A timeout that no passing case reaches."""


async def settled(storage: Storage) -> None:
    """Let the storage's earlier changes come to every waiter, so that the next wait is of something new."""
    for _ in range(3):
        await storage.wait_for_work("dispatcher", 0.05)


async def wakes(waiting: Awaitable[T], act: Callable[[], Awaitable[object]]) -> T:
    """Show that `act`, done while another waits, ends the wait; its answer."""
    waiter = asyncio.ensure_future(waiting)
    await asyncio.sleep(0.03)
    await act()
    return await waiter


class WorkWaitCases(Contract):
    """`wait_for_work`."""

    @case
    async def test_the_first_wait_returns_at_once(self, world: World) -> None:
        await world.storage.wait_for_work("dispatcher", FOREVER)

    @case
    async def test_a_wait_without_work_ends_with_its_timeout(self, world: World) -> None:
        await settled(world.storage)
        await world.storage.wait_for_work("dispatcher", 0.01)
        await world.storage.wait_for_work("dispatcher", 0.0)

    @case
    async def test_a_new_task_ends_the_wait(self, world: World) -> None:
        await settled(world.storage)
        await wakes(world.storage.wait_for_work("dispatcher", FOREVER), world.accept)

    @case
    async def test_every_waiter_is_woken(self, world: World) -> None:
        await settled(world.storage)
        await world.storage.wait_for_work("other", 0.01)
        both = asyncio.gather(*(world.storage.wait_for_work(name, FOREVER) for name in ("dispatcher", "other")))
        await asyncio.sleep(0.03)
        await world.accept()
        await both

    @case
    async def test_a_requeued_task_ends_the_wait(self, world: World) -> None:
        attempt = await world.start()
        await settled(world.storage)
        await wakes(
            world.storage.wait_for_work("dispatcher", FOREVER), lambda: world.storage.finish([requeue(attempt)])
        )

    @case
    async def test_a_cancellation_ends_the_wait(self, world: World) -> None:
        attempt = await world.start()
        await settled(world.storage)
        await wakes(world.storage.wait_for_work("dispatcher", FOREVER), lambda: world.storage.cancel([attempt.task.id]))
        assert await world.storage.take_cancellations("dispatcher") == [attempt.key]

    @case
    async def test_a_delayed_task_ends_the_wait_when_it_is_ready(self, world: World) -> None:
        (task,) = await world.accept(delay=60)
        await settled(world.storage)
        assert await world.claim() == []
        world.clock.advance(59.9)
        await world.storage.wait_for_work("dispatcher", FOREVER)
        world.clock.advance(0.1)
        await world.storage.wait_for_work("dispatcher", FOREVER)
        assert [attempt.task for attempt in await world.claim()] == [task]

    @case
    async def test_what_happened_between_two_waits_is_not_missed(self, world: World) -> None:
        await settled(world.storage)
        (task,) = await world.accept()
        await world.storage.wait_for_work("dispatcher", FOREVER)
        (attempt,) = await world.claim()
        await settled(world.storage)
        await world.storage.cancel([task.id])
        await world.storage.wait_for_work("dispatcher", FOREVER)
        assert await world.storage.take_cancellations("dispatcher") == [attempt.key]

    @case
    async def test_a_delayed_task_that_became_ready_between_two_waits_is_not_missed(self, world: World) -> None:
        await world.accept(delay=60)
        await world.accept(delay=90)
        await settled(world.storage)
        for seconds in (60, 30):
            world.clock.advance(seconds)
            await world.storage.wait_for_work("dispatcher", FOREVER)
        assert len(await world.claim()) == 2

    @case
    async def test_closing_ends_the_waits(self, world: World) -> None:
        await settled(world.storage)
        waits = asyncio.gather(
            world.storage.wait_for_work("dispatcher", FOREVER), world.storage.wait_for_completions(0, FOREVER)
        )
        await asyncio.sleep(0.03)
        await world.storage.close()
        await waits
        await world.storage.close()


class CompletionWaitCases(Contract):
    """`wait_for_completions`."""

    @case
    async def test_a_completion_that_is_there_needs_no_wait(self, world: World) -> None:
        await world.end()
        await world.end()
        assert await world.storage.wait_for_completions(0, FOREVER) == await world.storage.completions(0)
        assert await world.storage.wait_for_completions(0, FOREVER, limit=1) == await world.storage.completions(0, 1)

    @case
    async def test_a_completion_ends_the_wait(self, world: World) -> None:
        await world.end()
        latest = await world.storage.latest_completion()
        attempt = await world.start()
        found = await wakes(
            world.storage.wait_for_completions(latest, FOREVER), lambda: world.storage.finish([complete(attempt)])
        )
        assert [item.task_id for item in found] == [attempt.task.id]

    @case
    async def test_a_cancellation_is_a_completion(self, world: World) -> None:
        (task,) = await world.accept()
        await wakes(world.storage.wait_for_completions(0, FOREVER), lambda: world.storage.cancel([task.id]))

    @case
    async def test_without_a_completion_the_wait_lasts_its_timeout(self, world: World) -> None:
        await world.end(ttl=0)
        latest = await world.storage.latest_completion()
        attempt = await world.start()
        await self._lasts(world, latest, lambda: world.storage.finish([requeue(attempt)]))
        await world.storage.expire()
        await self._lasts(world, 0, world.accept)

    async def _lasts(self, world: World, after: int, act: Callable[[], Awaitable[object]]) -> None:
        timeout = 0.1
        started = asyncio.get_running_loop().time()
        found, _ = await asyncio.gather(world.storage.wait_for_completions(after, timeout), act())
        assert found == await world.storage.completions(after) == []
        assert asyncio.get_running_loop().time() - started >= timeout * 0.9
