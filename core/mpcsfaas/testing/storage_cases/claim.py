"""Claiming: which tasks, in which order, by whom, and until when."""

import asyncio

from mpcsfaas.model import Attempt, AttemptKey, State
from mpcsfaas.testing.storage_cases.world import LEASE, Contract, World, case, complete, requeue


def ids(attempts: list[Attempt]) -> list[str]:
    """The tasks' ids."""
    return [attempt.task.id for attempt in attempts]


class ClaimCases(Contract):
    """`claim`, `claim_lapsed`, `adopt`, `renew`."""

    @case
    async def test_a_claim_makes_the_first_attempt(self, world: World) -> None:
        (task,) = await world.accept()
        world.clock.advance(1)
        assert await world.claim() == [Attempt(task, 1, world.clock())]
        record = await world.record(task.id)
        assert (record.state, record.attempt) == (State.RUNNING, 1)

    @case
    async def test_nothing_ready_is_an_empty_claim(self, world: World) -> None:
        assert await world.claim() == []
        await world.start()
        assert await world.claim() == []

    @case
    async def test_a_claim_keeps_to_its_limit(self, world: World) -> None:
        tasks = await world.accept(5)
        assert ids(await world.claim(limit=2)) == [task.id for task in tasks[:2]]
        assert ids(await world.claim(limit=0)) == []
        assert ids(await world.claim(limit=9)) == [task.id for task in tasks[2:]]

    @case
    async def test_higher_priority_first_then_order_of_acceptance(self, world: World) -> None:
        accepted = {}
        for priority in (0, 5, -5, 5, 0):
            (task,) = await world.accept(priority=priority)
            accepted[task.id] = priority
        expected = sorted(accepted, key=lambda task_id: -accepted[task_id])
        assert ids(await world.claim(limit=2)) + ids(await world.claim()) == expected

    @case
    async def test_order_of_acceptance_not_of_ids(self, world: World) -> None:
        tasks = [world.task() for _ in range(5)]
        await world.storage.enqueue(tasks[::-1])
        assert ids(await world.claim()) == [task.id for task in tasks[::-1]]

    @case
    async def test_a_delayed_task_waits(self, world: World) -> None:
        (delayed,) = await world.accept(delay=5)
        (ready,) = await world.accept()
        world.clock.advance(4.5)
        assert ids(await world.claim()) == [ready.id]
        world.clock.advance(0.5)
        assert ids(await world.claim()) == [delayed.id]

    @case
    async def test_a_task_that_was_delayed_keeps_its_place(self, world: World) -> None:
        (delayed,) = await world.accept(delay=5)
        (urgent,) = await world.accept(priority=1)
        (later,) = await world.accept()
        world.clock.advance(5)
        assert ids(await world.claim()) == [urgent.id, delayed.id, later.id]

    @case
    async def test_labels_must_all_be_offered_by_one_set(self, world: World) -> None:
        (plain,) = await world.accept()
        (gpu,) = await world.accept(labels=("gpu",))
        (both,) = await world.accept(labels=("gpu", "big"))
        (other,) = await world.accept(labels=("other",))
        assert ids(await world.claim(labels=[frozenset({"big"})])) == [plain.id]
        assert ids(await world.claim(labels=[frozenset({"gpu"}), frozenset({"big"})])) == [gpu.id]
        assert ids(await world.claim(labels=[])) == []
        assert ids(await world.claim(labels=[frozenset({"gpu", "big", "huge"})])) == [both.id]
        assert await world.state(other.id) is State.QUEUED

    @case
    async def test_labels_do_not_change_the_order(self, world: World) -> None:
        tasks = []
        for priority, labels in ((0, ("a",)), (0, ()), (1, ("b",)), (0, ("b", "a")), (1, ()), (0, ("a",))):
            tasks += await world.accept(priority=priority, labels=labels)
        expected = [tasks[index].id for index in (2, 4, 0, 1, 3, 5)]
        offers = [frozenset({"a", "b"})]
        assert ids(await world.claim(limit=4, labels=offers)) + ids(await world.claim(labels=offers)) == expected

    @case
    async def test_no_two_claims_get_the_same_attempt(self, world: World) -> None:
        await world.accept(50)
        seen = [attempt.key for name in "abcdefgh" for attempt in await world.claim(8, name)]
        assert len(seen) == len(set(seen)) == 50

    @case
    async def test_claims_at_the_same_time_share_what_is_there(self, world: World) -> None:
        await world.accept(50)
        shares = await asyncio.gather(*(world.claim(9, name) for name in "abcdefgh"))
        keys = [attempt.key for share in shares for attempt in share]
        assert len(keys) == len(set(keys)) == 50

    @case
    async def test_an_attempt_lapses_when_its_lease_has_run_out(self, world: World) -> None:
        attempt = await world.start()
        world.clock.advance(LEASE - 0.5)
        assert await world.storage.claim_lapsed("reaper", 10, LEASE) == []
        world.clock.advance(0.5)
        assert await world.storage.claim_lapsed("reaper", 10, LEASE) == [attempt]
        assert await world.claim() == []

    @case
    async def test_a_takeover_is_a_new_lease_of_the_same_number(self, world: World) -> None:
        attempt = await world.start()
        world.clock.advance(LEASE)
        await world.storage.claim_lapsed("reaper", 10, LEASE)
        assert await world.storage.claim_lapsed("other", 10, LEASE) == []
        assert await world.storage.renew("dispatcher", [attempt.key], LEASE) == [attempt.key]
        assert await world.storage.renew("reaper", [attempt.key], LEASE) == []
        assert (await world.record(attempt.task.id)).attempt == 1

    @case
    async def test_the_first_holder_may_finish_before_the_taker(self, world: World) -> None:
        attempt = await world.start()
        world.clock.advance(LEASE)
        (taken,) = await world.storage.claim_lapsed("reaper", 10, LEASE)
        assert await world.storage.finish([complete(attempt)]) == [True]
        assert await world.storage.finish([requeue(taken)]) == [False]

    @case
    async def test_lapsed_attempts_are_taken_up_to_the_limit(self, world: World) -> None:
        await world.accept(3)
        await world.claim()
        world.clock.advance(LEASE)
        first = await world.storage.claim_lapsed("reaper", 2, LEASE)
        second = await world.storage.claim_lapsed("reaper", 2, LEASE)
        assert (len(first), len(second)) == (2, 1)
        assert len({attempt.key for attempt in first + second}) == 3

    @case
    async def test_adoption_takes_over_whatever_the_lease(self, world: World) -> None:
        attempt = await world.start()
        assert await world.storage.adopt("successor", [attempt.key, attempt.key], LEASE) == [attempt]
        assert await world.storage.renew("dispatcher", [attempt.key], LEASE) == [attempt.key]
        world.clock.advance(LEASE - 0.5)
        assert await world.storage.renew("successor", [attempt.key], LEASE) == []
        assert await world.storage.finish([complete(attempt)]) == [True]

    @case
    async def test_only_current_attempts_that_run_are_adopted(self, world: World) -> None:
        running, ended, requeued = await world.start(), await world.start(), await world.start()
        await world.storage.finish([complete(ended), requeue(requeued)])
        unknown = AttemptKey(world.task().id, 1)
        stale = AttemptKey(running.task.id, running.number + 1)
        keys = [ended.key, requeued.key, unknown, stale]
        assert await world.storage.adopt("successor", keys, LEASE) == []
        assert await world.storage.renew("dispatcher", [running.key], LEASE) == []

    @case
    async def test_renewal_lengthens_the_lease(self, world: World) -> None:
        attempt = await world.start()
        world.clock.advance(LEASE - 0.5)
        assert await world.storage.renew("dispatcher", [attempt.key], LEASE) == []
        world.clock.advance(LEASE - 0.5)
        assert await world.storage.claim_lapsed("reaper", 10, LEASE) == []
        world.clock.advance(0.5)
        assert await world.storage.claim_lapsed("reaper", 10, LEASE) == [attempt]

    @case
    async def test_a_lapsed_lease_that_nobody_took_can_be_renewed(self, world: World) -> None:
        attempt = await world.start()
        world.clock.advance(LEASE * 2)
        assert await world.storage.renew("dispatcher", [attempt.key], LEASE) == []
        assert await world.storage.claim_lapsed("reaper", 10, LEASE) == []

    @case
    async def test_renewal_names_what_is_not_held(self, world: World) -> None:
        await world.accept(5)
        held, finished, cancelled, requeued, foreign = await world.claim()
        await world.storage.finish([complete(finished), requeue(requeued)])
        await world.storage.cancel([cancelled.task.id])
        world.clock.advance(LEASE)
        assert await world.storage.renew("dispatcher", [held.key], LEASE) == []
        assert await world.storage.claim_lapsed("other", 10, LEASE) == [foreign]
        not_held = [attempt.key for attempt in (finished, cancelled, requeued, foreign)]
        not_held += [held.key._replace(number=2), held.key._replace(task_id=world.task().id)]
        assert sorted(await world.storage.renew("dispatcher", [held.key, *not_held], LEASE)) == sorted(not_held)

    @case
    async def test_renewing_nothing_loses_nothing(self, world: World) -> None:
        assert await world.storage.renew("dispatcher", [], LEASE) == []


class OverdueCases(Contract):
    """`claim_overdue`."""

    @case
    async def test_an_overdue_task_is_claimed_as_its_next_attempt(self, world: World) -> None:
        (task,) = await world.accept(deadline=5)
        world.clock.advance(4.5)
        assert await world.storage.claim_overdue("dispatcher", 10, LEASE) == []
        world.clock.advance(0.5)
        assert await world.storage.claim_overdue("dispatcher", 10, LEASE) == [Attempt(task, 1, world.clock())]
        assert await world.storage.claim_overdue("dispatcher", 10, LEASE) == []
        assert await world.state(task.id) is State.RUNNING

    @case
    async def test_overdue_tasks_need_not_be_ready_and_labels_do_not_matter(self, world: World) -> None:
        (delayed,) = await world.accept(deadline=5, delay=60)
        (labelled,) = await world.accept(deadline=5, labels=("nowhere",))
        world.clock.advance(5)
        claimed = await world.storage.claim_overdue("dispatcher", 10, LEASE)
        assert sorted(ids(claimed)) == sorted([delayed.id, labelled.id])

    @case
    async def test_the_default_deadline_is_for_tasks_without_their_own(self, world: World) -> None:
        (own,) = await world.accept(deadline=100)
        (none,) = await world.accept()
        (delayed,) = await world.accept(delay=100)
        world.clock.advance(10)
        assert await world.storage.claim_overdue("dispatcher", 10, LEASE) == []
        assert await world.storage.claim_overdue("dispatcher", 10, LEASE, default_deadline=11) == []
        claimed = await world.storage.claim_overdue("dispatcher", 10, LEASE, default_deadline=10)
        assert sorted(ids(claimed)) == sorted([none.id, delayed.id])
        assert await world.state(own.id) is State.QUEUED

    @case
    async def test_an_overdue_claim_keeps_to_its_limit(self, world: World) -> None:
        await world.accept(2, deadline=5)
        await world.accept(2)
        world.clock.advance(5)
        sizes = [len(await world.storage.claim_overdue("dispatcher", 3, LEASE, default_deadline=5)) for _ in range(3)]
        assert sizes == [3, 1, 0]

    @case
    async def test_running_and_ended_tasks_are_not_overdue(self, world: World) -> None:
        await world.start(deadline=5)
        await world.end(deadline=5)
        world.clock.advance(60)
        assert await world.storage.claim_overdue("dispatcher", 10, LEASE, default_deadline=1) == []

    @case
    async def test_a_requeued_task_can_be_overdue(self, world: World) -> None:
        attempt = await world.start(deadline=5)
        await world.storage.finish([requeue(attempt, ready_at=world.clock() + 60)])
        world.clock.advance(5)
        (overdue,) = await world.storage.claim_overdue("dispatcher", 10, LEASE)
        assert overdue.key == attempt.key._replace(number=2)
