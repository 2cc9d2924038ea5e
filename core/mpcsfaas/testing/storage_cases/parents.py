"""Tasks that come after others: each waits for the end of all its parents."""

import asyncio
from functools import partial

from mpcsfaas.interfaces import Storage
from mpcsfaas.interfaces.storage import Enqueued, EnqueueStatus
from mpcsfaas.model import Attempt, Quota, State, Task
from mpcsfaas.testing.storage_cases.claim import ids
from mpcsfaas.testing.storage_cases.quotas import owned
from mpcsfaas.testing.storage_cases.waiting import FOREVER, settled, wakes
from mpcsfaas.testing.storage_cases.world import LEASE, Contract, World, case, complete, fail, requeue

UNKNOWN = "0198c0de-0000-7000-8000-000000000000"


async def claims_nothing(world: World) -> None:
    """Show that whatever is queued is held."""
    assert await world.claim() == []


async def start_parents(world: World, count: int) -> list[Attempt]:
    """Parents that run."""
    await world.accept(count)
    return await world.claim()


class ParentCases(Contract):
    """`TaskOptions.after`."""

    @case
    async def test_a_task_is_held_until_all_its_parents_have_ended(self, world: World) -> None:
        attempts = await start_parents(world, 3)
        (child,) = await world.accept(after=tuple(attempt.task.id for attempt in attempts))
        assert await world.state(child.id) is State.QUEUED
        for attempt in reversed(attempts):
            await claims_nothing(world)
            await world.storage.finish([complete(attempt)])
        assert ids(await world.claim()) == [child.id]

    @case
    async def test_parents_that_wait_hold_it_as_those_that_run(self, world: World) -> None:
        (parent,) = await world.accept()
        (child,) = await world.accept(after=(parent.id,))
        (attempt,) = await world.claim()
        assert attempt.task == parent
        await world.storage.finish([complete(attempt)])
        assert ids(await world.claim()) == [child.id]

    @case
    async def test_a_claim_gives_the_parents_with_the_task(self, world: World) -> None:
        parents = ((await world.end()).task.id, (await world.end()).task.id)
        (child,) = await world.accept(after=parents)
        (attempt,) = await world.claim()
        assert attempt.task == child
        assert (await world.record(child.id)).options.after == parents

    @case
    async def test_parents_end_in_whatever_state(self, world: World) -> None:
        failed, cancelled = await start_parents(world, 2)
        (queued,) = await world.accept(delay=60)
        children = [
            (await world.accept(after=(parent,)))[0].id for parent in (failed.task.id, cancelled.task.id, queued.id)
        ]
        await world.storage.finish([fail(failed)])
        await world.storage.cancel([cancelled.task.id, queued.id])
        assert ids(await world.claim()) == children

    @case
    async def test_a_parent_that_is_tried_again_has_not_ended(self, world: World) -> None:
        attempt = await world.start()
        (child,) = await world.accept(after=(attempt.task.id,))
        await world.storage.finish([requeue(attempt)])
        (again,) = await world.claim()
        assert again.task == attempt.task
        await world.storage.finish([complete(again)])
        assert ids(await world.claim()) == [child.id]

    @case
    async def test_a_parent_that_ended_before_holds_nobody(self, world: World) -> None:
        ended, running = await world.end(), await world.start()
        (child,) = await world.accept(after=(ended.task.id,))
        assert ids(await world.claim()) == [child.id]
        (other,) = await world.accept(after=(ended.task.id, running.task.id, ended.task.id))
        await claims_nothing(world)
        await world.storage.finish([complete(running)])
        assert ids(await world.claim()) == [other.id]

    @case
    async def test_a_batch_may_hold_parents_and_children_in_this_order(self, world: World) -> None:
        first = world.task()
        second = world.task(after=(first.id,))
        third = world.task(after=(first.id, second.id))
        answers = await world.storage.enqueue([first, second, third])
        assert [answer.status for answer in answers] == ["accepted"] * 3
        for task in (first, second, third):
            (attempt,) = await world.claim()
            assert attempt.task == task
            await world.storage.finish([complete(attempt)])

    @case
    async def test_unknown_parents_are_refused(self, world: World) -> None:
        late = world.task()
        own = world.task()
        tasks = [
            world.task(after=(UNKNOWN,)),
            world.task(after=(late.id,)),
            Task(own.id, own.function_id, b"", "dill", own.created_at, world.task(after=(own.id,)).options),
            late,
        ]
        refused = [Enqueued(EnqueueStatus.UNKNOWN_PARENT, task.id) for task in tasks[:3]]
        assert await world.storage.enqueue(tasks) == [*refused, Enqueued(EnqueueStatus.ACCEPTED, late.id)]
        assert await world.storage.get_tasks([task.id for task in tasks[:3]]) == [None] * 3

    @case
    async def test_the_children_of_what_was_refused_are_refused(self, world: World) -> None:
        orphan = world.task(after=(UNKNOWN,))
        child = world.task(after=(orphan.id,))
        answers = await world.storage.enqueue([orphan, child])
        assert [answer.status for answer in answers] == ["unknown_parent"] * 2

    @case
    async def test_a_repeated_child_is_a_duplicate_held_as_before(self, world: World) -> None:
        attempt = await world.start()
        (child,) = await world.accept(after=(attempt.task.id,))
        assert await world.storage.enqueue([child]) == [Enqueued(EnqueueStatus.DUPLICATE, child.id)]
        await claims_nothing(world)
        await world.storage.finish([complete(attempt)])
        assert ids(await world.claim()) == [child.id]

    @case
    async def test_many_children_of_one_parent(self, world: World) -> None:
        attempt = await world.start()
        children = await world.accept(1200, after=(attempt.task.id,))
        await claims_nothing(world)
        await world.storage.finish([complete(attempt)])
        assert ids(await world.claim(limit=2000)) == [child.id for child in children]

    @case
    async def test_many_parents_of_one_child(self, world: World) -> None:
        parents = await world.accept(1000)
        (child,) = await world.accept(after=tuple(parent.id for parent in parents))
        attempts = await world.claim(limit=2000)
        assert len(attempts) == 1000
        await world.storage.finish([complete(attempt) for attempt in attempts[1:]])
        await claims_nothing(world)
        await world.storage.finish([complete(attempts[0])])
        assert ids(await world.claim()) == [child.id]

    @case
    async def test_a_held_task_can_be_cancelled_and_stays_so(self, world: World) -> None:
        attempt = await world.start()
        (child,) = await world.accept(after=(attempt.task.id,))
        (grandchild,) = await world.accept(after=(child.id,))
        assert await world.storage.cancel([child.id]) == [State.CANCELLED]
        assert ids(await world.claim()) == [grandchild.id]
        await world.storage.finish([complete(attempt)])
        await claims_nothing(world)
        assert await world.state(child.id) is State.CANCELLED

    @case
    async def test_the_deadline_of_a_held_task_passes(self, world: World) -> None:
        attempt = await world.start()
        (child,) = await world.accept(after=(attempt.task.id,), deadline=5)
        world.clock.advance(6)
        (overdue,) = await world.storage.claim_overdue("dispatcher", 10, LEASE)
        assert overdue.task == child
        await world.storage.finish([fail(overdue)])
        await world.storage.finish([complete(attempt)])
        await claims_nothing(world)
        assert await world.state(child.id) is State.FAILED

    @case
    async def test_only_the_first_attempt_is_held(self, world: World) -> None:
        parent = await world.start()
        (child,) = await world.accept(after=(parent.task.id,), deadline=5)
        world.clock.advance(6)
        (overdue,) = await world.storage.claim_overdue("dispatcher", 10, LEASE)
        await world.storage.finish([requeue(overdue)])
        (second,) = await world.claim()
        assert second.key == (child.id, 2)
        await world.storage.finish([complete(parent), requeue(second, world.clock() + 5)])
        await claims_nothing(world)

    @case
    async def test_a_delay_goes_on_after_the_parents_end(self, world: World) -> None:
        attempt = await world.start()
        (child,) = await world.accept(after=(attempt.task.id,), delay=60)
        await world.storage.finish([complete(attempt)])
        await claims_nothing(world)
        world.clock.advance(60)
        assert ids(await world.claim()) == [child.id]

    @case
    async def test_a_delay_may_pass_meanwhile(self, world: World) -> None:
        attempt = await world.start()
        (child,) = await world.accept(after=(attempt.task.id,), delay=5)
        world.clock.advance(6)
        await claims_nothing(world)
        await world.storage.finish([complete(attempt)])
        assert ids(await world.claim()) == [child.id]

    @case
    async def test_labels_priority_and_place_are_kept(self, world: World) -> None:
        attempt = await world.start()
        (child,) = await world.accept(after=(attempt.task.id,))
        (later,) = await world.accept()
        (urgent,) = await world.accept(after=(attempt.task.id,), priority=1)
        await world.accept(after=(attempt.task.id,), labels=("gpu",))
        await world.storage.finish([complete(attempt)])
        assert ids(await world.claim()) == [urgent.id, child.id, later.id]

    @case
    async def test_a_held_task_counts_as_queued(self, world: World) -> None:
        attempt = await world.start()
        await world.accept(3, after=(attempt.task.id,), deadline=60)
        assert (await world.storage.statistics()).queued == 3
        await world.storage.finish([complete(attempt)])
        await world.claim()
        statistics = await world.storage.statistics()
        assert (statistics.queued, statistics.running) == (0, 3)

    @case
    async def test_a_quota_holds_it_too(self, world: World) -> None:
        quota = Quota("owner", max_queued=3, max_running=1)
        parent = await world.start()
        first, second = (owned(world, quota, after=(parent.task.id,)) for _ in range(2))
        await world.storage.enqueue([first, second])
        await world.storage.finish([complete(parent)])
        (attempt,) = await world.claim()
        assert attempt.task == first
        await world.storage.finish([complete(attempt)])
        assert ids(await world.claim()) == [second.id]

    @case
    async def test_the_last_parents_end_ends_the_wait_for_work(self, world: World) -> None:
        attempts = await start_parents(world, 3)
        for attempt, state in zip(attempts, (State.COMPLETED, State.FAILED, State.CANCELLED), strict=True):
            (child,) = await world.accept(after=(attempt.task.id,))
            await settled(world.storage)
            await wakes(world.storage.wait_for_work("dispatcher", FOREVER), partial(_end, world, attempt, state))
            (own,) = await world.claim()
            assert own.task == child
            await world.storage.finish([complete(own)])


class SharedParentCases(Contract):
    """The same between instances."""

    @case
    async def test_parents_may_end_at_another_instance(self, world: World) -> None:
        other = await world.open()
        attempts = await start_parents(world, 2)
        (child,) = await world.accept(after=tuple(attempt.task.id for attempt in attempts))
        await other.finish([complete(attempts[0])])
        await claims_nothing(world)
        await world.storage.finish([complete(attempts[1])])
        assert ids(await other.claim("another", 10, LEASE)) == [child.id]

    @case
    async def test_a_parents_end_wakes_every_instance(self, world: World) -> None:
        other = await world.open()
        attempt = await world.start()
        (child,) = await world.accept(after=(attempt.task.id,))
        await settled(other)
        await wakes(other.wait_for_work("dispatcher", FOREVER), partial(world.storage.finish, [complete(attempt)]))
        assert ids(await other.claim("another", 10, LEASE)) == [child.id]

    @case
    async def test_parents_that_end_at_the_same_time_free_the_child_once(self, world: World) -> None:
        storages: list[Storage] = [world.storage, await world.open()]
        attempts = await start_parents(world, 20)
        (child,) = await world.accept(after=tuple(attempt.task.id for attempt in attempts))
        await asyncio.gather(
            *(storages[number % 2].finish([complete(attempt)]) for number, attempt in enumerate(attempts))
        )
        claimed = await asyncio.gather(*(storage.claim("dispatcher", 10, LEASE) for storage in storages))
        assert ids([attempt for claims in claimed for attempt in claims]) == [child.id]


async def _end(world: World, attempt: Attempt, state: State) -> None:
    if state is State.CANCELLED:
        await world.storage.cancel([attempt.task.id])
    else:
        await world.storage.finish([complete(attempt) if state is State.COMPLETED else fail(attempt)])
