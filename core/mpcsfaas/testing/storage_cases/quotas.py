"""Quotas: how many tasks of one owner are queued, and run, at most."""

import asyncio
from typing import Any

import pytest
from msgspec.structs import replace

from mpcsfaas.errors import QuotaExceeded
from mpcsfaas.interfaces import Storage
from mpcsfaas.interfaces.storage import Enqueued, EnqueueStatus
from mpcsfaas.model import Attempt, Quota, State, Task
from mpcsfaas.testing.storage_cases.claim import ids
from mpcsfaas.testing.storage_cases.waiting import FOREVER, settled, wakes
from mpcsfaas.testing.storage_cases.world import (
    LEASE,
    Contract,
    World,
    case,
    complete,
    fail,
    list_all,
    make_function,
    requeue,
)

OWNER = Quota("owner", max_running=1)


def owned(world: World, quota: Quota, **options: Any) -> Task:
    """A task with a quota that is not enqueued yet."""
    return replace(world.task(**options), quota=quota)


async def accept(world: World, quota: Quota, count: int = 1, **options: Any) -> list[Task]:
    """Enqueue that many tasks with a quota, which must be accepted."""
    tasks = [owned(world, quota, **options) for _ in range(count)]
    answers = await world.storage.enqueue(tasks)
    assert answers == [Enqueued(EnqueueStatus.ACCEPTED, task.id) for task in tasks]
    return tasks


async def is_refused(world: World, tasks: list[Task], owner: str, max_queued: int) -> None:
    """Show that nothing of this batch is accepted, and that the error says why."""
    with pytest.raises(QuotaExceeded, match=rf"{owner} may have no more than {max_queued} queued"):
        await world.storage.enqueue(tasks)
    assert await world.storage.get_tasks([task.id for task in tasks]) == [None] * len(tasks)


class QueuedQuotaCases(Contract):
    """`max_queued`."""

    QUOTA = Quota("owner", max_queued=3)

    @case
    async def test_a_claim_gives_the_quota_with_the_task(self, world: World) -> None:
        (task,) = await accept(world, Quota("owner", 5, 7))
        assert [attempt.task for attempt in await world.claim()] == [task]

    @case
    async def test_a_batch_over_the_quota_is_refused_as_a_whole(self, world: World) -> None:
        await accept(world, self.QUOTA, 2)
        await is_refused(world, [world.task(), owned(world, self.QUOTA), owned(world, self.QUOTA)], "owner", 3)
        await accept(world, self.QUOTA)
        await is_refused(world, [owned(world, self.QUOTA)], "owner", 3)
        await world.accept(5)

    @case
    async def test_a_large_batch_over_the_quota_is_refused_as_a_whole(self, world: World) -> None:
        quota = Quota("owner", max_queued=1200)
        await is_refused(world, [owned(world, quota) for _ in range(1201)], "owner", 1200)
        await accept(world, quota, 1200)

    @case
    async def test_each_owner_has_a_quota_of_its_own(self, world: World) -> None:
        other = Quota("other", max_queued=1)
        await accept(world, self.QUOTA, 3)
        await is_refused(world, [owned(world, other), owned(world, other)], "other", 1)
        await accept(world, other)

    @case
    async def test_what_has_started_is_not_queued(self, world: World) -> None:
        await accept(world, self.QUOTA, 3)
        attempt, _ = await world.claim(limit=2)
        await accept(world, self.QUOTA, 2)
        await world.storage.finish([complete(attempt)])
        await is_refused(world, [owned(world, self.QUOTA)], "owner", 3)

    @case
    async def test_what_was_cancelled_is_not_queued(self, world: World) -> None:
        tasks = await accept(world, self.QUOTA, 3, delay=60)
        await world.storage.cancel([tasks[0].id, tasks[0].id])
        await accept(world, self.QUOTA)
        await is_refused(world, [owned(world, self.QUOTA)], "owner", 3)

    @case
    async def test_what_goes_back_to_the_queue_is_never_refused_but_counts(self, world: World) -> None:
        await accept(world, self.QUOTA, 3)
        attempts = await world.claim()
        await accept(world, self.QUOTA, 3)
        assert await world.storage.finish([requeue(attempt) for attempt in attempts]) == [True] * 3
        await is_refused(world, [owned(world, self.QUOTA)], "owner", 3)
        await world.claim(limit=3)
        await is_refused(world, [owned(world, self.QUOTA)], "owner", 3)
        await world.claim(limit=1)
        await accept(world, self.QUOTA)

    @case
    async def test_what_is_not_accepted_takes_no_room(self, world: World) -> None:
        tasks = await accept(world, self.QUOTA, 2)
        unknown = replace(owned(world, self.QUOTA), function_id=make_function("unknown").id)
        last = owned(world, self.QUOTA)
        answers = await world.storage.enqueue([*tasks, unknown, last, last])
        assert [answer.status for answer in answers] == [
            *["duplicate"] * 2,
            "unknown_function",
            "accepted",
            "duplicate",
        ]
        answers = await world.storage.enqueue([*tasks, last])
        assert [answer.status for answer in answers] == ["duplicate"] * 3

    @case
    async def test_what_is_held_is_queued(self, world: World) -> None:
        quota = Quota("owner", max_queued=2, max_running=1)
        await accept(world, quota, 2)
        assert len(await world.claim()) == 1
        await accept(world, quota)
        assert await world.claim() == []
        await is_refused(world, [owned(world, quota)], "owner", 2)


class RunningQuotaCases(Contract):
    """`max_running`."""

    @case
    async def test_no_more_start_than_may_run(self, world: World) -> None:
        tasks = await accept(world, Quota("owner", max_running=2), 3)
        assert ids(await world.claim()) == [task.id for task in tasks[:2]]
        assert await world.claim() == []
        assert (await world.record(tasks[2].id)).state is State.QUEUED
        assert [record.id for record in await list_all(world.storage)] == [task.id for task in tasks[::-1]]

    @case
    async def test_what_is_held_is_in_nobodys_way(self, world: World) -> None:
        held = await accept(world, OWNER, 1200, priority=5)
        plain = await world.accept(3)
        (other,) = await accept(world, Quota("other", max_running=1))
        assert ids(await world.claim(limit=3)) == [held[0].id, plain[0].id, plain[1].id]
        assert ids(await world.claim(limit=3)) == [plain[2].id, other.id]
        assert (await world.storage.statistics()).queued == 1199

    @case
    async def test_as_soon_as_one_has_ended_another_may_start(self, world: World) -> None:
        tasks = await accept(world, OWNER, 5)
        for place, task in enumerate(tasks):
            (attempt,) = await world.claim()
            assert attempt.task == task
            if place == 0:
                await world.storage.finish([complete(attempt)])
            elif place == 1:
                await world.storage.finish([fail(attempt)])
            elif place == 2:
                await world.storage.cancel([task.id])
            elif place == 3:
                await world.storage.finish([requeue(attempt, ready_at=world.clock() + 60)])
        world.clock.advance(60)
        assert await world.claim() == []

    @case
    async def test_a_lost_one_runs_until_that_is_told(self, world: World) -> None:
        first, second = await accept(world, OWNER, 2)
        (attempt,) = await world.claim()
        world.clock.advance(LEASE)
        await world.storage.claim_lapsed("reaper", 10, LEASE)
        await world.storage.adopt("successor", [attempt.key], LEASE)
        assert await world.claim() == []
        await world.storage.finish([requeue(attempt)])
        assert await world.storage.finish([complete(attempt)]) == [False]
        assert ids(await world.claim()) == [first.id]
        assert await world.state(second.id) is State.QUEUED

    @case
    async def test_what_was_held_keeps_its_place(self, world: World) -> None:
        accepted = {}
        for priority in (0, 5, -5, 5, 0):
            (task,) = await accept(world, OWNER, priority=priority)
            accepted[task.id] = priority
        started = []
        for _ in accepted:
            (attempt,) = await world.claim()
            started.append(attempt.task.id)
            assert await world.claim() == []
            await world.storage.finish([complete(attempt)])
        assert started == sorted(accepted, key=lambda task_id: -accepted[task_id])

    @case
    async def test_whatever_its_labels_a_task_counts(self, world: World) -> None:
        (gpu,) = await accept(world, OWNER, labels=("gpu",))
        (plain,) = await accept(world, OWNER)
        (big,) = await accept(world, OWNER, labels=("big",))
        (attempt,) = await world.claim()
        assert attempt.task == plain
        assert await world.claim(labels=[frozenset({"gpu", "big"})]) == []
        await world.storage.finish([complete(attempt)])
        (attempt,) = await world.claim(labels=[frozenset({"big"})])
        assert attempt.task == big
        await world.storage.cancel([big.id])
        assert ids(await world.claim(labels=[frozenset({"gpu", "big"})])) == [gpu.id]

    @case
    async def test_a_held_task_can_be_cancelled(self, world: World) -> None:
        await accept(world, OWNER)
        (attempt,) = await world.claim()
        held, last = await accept(world, OWNER, 2)
        assert await world.claim() == []
        assert await world.storage.cancel([held.id]) == [State.CANCELLED]
        await world.storage.finish([complete(attempt)])
        assert ids(await world.claim()) == [last.id]

    @case
    async def test_a_delayed_task_is_held_when_it_is_due(self, world: World) -> None:
        (delayed,) = await accept(world, OWNER, delay=5)
        await accept(world, OWNER)
        (attempt,) = await world.claim()
        world.clock.advance(5)
        assert await world.claim() == []
        await world.storage.finish([complete(attempt)])
        assert ids(await world.claim()) == [delayed.id]

    @case
    async def test_an_overdue_task_is_not_held_but_counts(self, world: World) -> None:
        await accept(world, OWNER)
        (attempt,) = await world.claim()
        (overdue,) = await accept(world, OWNER, deadline=5)
        assert await world.claim() == []
        world.clock.advance(5)
        (claimed,) = await world.storage.claim_overdue("dispatcher", 10, LEASE)
        assert claimed.task == overdue
        (last,) = await accept(world, OWNER)
        await world.storage.finish([complete(attempt)])
        assert await world.claim() == []
        await world.storage.finish([fail(claimed)])
        assert ids(await world.claim()) == [last.id]

    @case
    async def test_each_task_has_the_quota_that_it_came_with(self, world: World) -> None:
        narrow, wide = OWNER, replace(OWNER, max_running=2)
        await accept(world, narrow)
        (blocked,) = await accept(world, narrow, priority=1)
        (free,) = await accept(world, wide)
        (first,) = await world.claim(limit=1)
        assert first.task == blocked
        assert ids(await world.claim()) == [free.id]
        await world.storage.finish([complete(first)])
        assert await world.claim() == []

    @case
    async def test_when_one_ends_the_wait_for_a_held_one_ends(self, world: World) -> None:
        await accept(world, OWNER, 3)
        (attempt,) = await world.claim()
        await settled(world.storage)
        await wakes(
            world.storage.wait_for_work("dispatcher", FOREVER), lambda: world.storage.finish([complete(attempt)])
        )
        (attempt,) = await world.claim()
        await settled(world.storage)
        await wakes(world.storage.wait_for_work("dispatcher", FOREVER), lambda: world.storage.cancel([attempt.task.id]))
        assert len(await world.claim()) == 1


class SharedQuotaCases(Contract):
    """Quotas with two instances at work."""

    @case
    async def test_two_instances_start_no_more_than_may_run(self, world: World) -> None:
        other = await world.open()
        quota = Quota("owner", max_running=3)
        await accept(world, quota, 60)
        running: list[Attempt] = []
        for _ in range(20):
            claims = [storage.claim("dispatcher", 4, LEASE) for storage in (world.storage, other) * 3]
            running = [attempt for share in await asyncio.gather(*claims) for attempt in share]
            assert len(running) == 3
            await asyncio.gather(*(other.finish([complete(attempt)]) for attempt in running))
        assert await world.claim() == []

    @case
    async def test_two_instances_accept_no_more_than_may_be_queued(self, world: World) -> None:
        other = await world.open()
        quota = Quota("owner", max_queued=12)

        async def offer(storage: Storage) -> int:
            try:
                return len(await storage.enqueue([owned(world, quota) for _ in range(5)]))
            except QuotaExceeded:
                return 0

        accepted = await asyncio.gather(*(offer(storage) for storage in (world.storage, other) * 4))
        assert sum(accepted) == 10 == (await world.storage.statistics()).queued

    @case
    async def test_a_wait_notices_that_the_other_has_ended_one(self, world: World) -> None:
        other = await world.open()
        await accept(world, OWNER, 2)
        (attempt,) = await world.claim()
        await settled(other)
        await wakes(other.wait_for_work("dispatcher", FOREVER), lambda: world.storage.finish([complete(attempt)]))
        assert len(await other.claim("dispatcher", 10, LEASE)) == 1
