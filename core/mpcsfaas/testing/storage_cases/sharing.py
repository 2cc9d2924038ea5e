"""Two instances on the same data, as a gateway and a dispatcher in two processes have."""

import asyncio

from mpcsfaas.interfaces import Storage
from mpcsfaas.interfaces.storage import Completion
from mpcsfaas.model import Attempt
from mpcsfaas.testing.storage_cases.waiting import FOREVER, settled, wakes
from mpcsfaas.testing.storage_cases.world import Contract, World, case, complete, fail


class SharingCases(Contract):
    """Everything that one instance does, as the other sees it."""

    @case
    async def test_what_one_does_the_other_sees(self, world: World) -> None:
        other = await world.open()
        task, _ = await world.accept(2, group="group")
        (attempt, second) = await other.claim("other", 10, 10.0)
        assert attempt.task == task
        await world.storage.cancel([second.task.id])
        assert await other.take_cancellations("other") == [second.key]
        assert await other.finish([complete(attempt)]) == [True]
        assert await world.storage.get_results([task.id]) == await other.get_results([task.id])
        assert await world.storage.completions(0) == await other.completions(0)
        assert await world.storage.statistics() == await other.statistics()
        await world.storage.put_key("key", b"record")
        assert await other.list_keys() == {"key": b"record"}

    @case
    async def test_who_waits_while_tasks_end_reads_what_others_read(self, world: World) -> None:
        other = await world.open()
        attempts = [await world.start(group=group, ttl=10) for group in (None, "night")]
        (unwanted,) = await world.accept()
        ids = [*(attempt.task.id for attempt in attempts), unwanted.id]
        await wakes(
            world.storage.wait_for_completions(0, FOREVER),
            lambda: other.finish([complete(attempts[0]), fail(attempts[1])]),
        )
        await other.cancel([unwanted.id])
        await world.storage.wait_for_completions(2, FOREVER)
        for _ in range(2):
            assert await world.storage.wait_for_completions(0, FOREVER) == await other.completions(0)
            assert await world.storage.get_results(ids) == await other.get_results(ids)
            world.clock.advance(10)
            await other.expire()

    @case
    async def test_no_two_instances_claim_the_same_attempt(self, world: World) -> None:
        other = await world.open()
        await world.accept(400)

        async def drain(storage: Storage) -> list[Attempt]:
            claimed: list[Attempt] = []
            while batch := await storage.claim("dispatcher", 7, 10.0):
                claimed += batch
            return claimed

        shares = await asyncio.gather(drain(world.storage), drain(other))
        keys = [attempt.key for share in shares for attempt in share]
        assert len(keys) == len(set(keys)) == 400

    @case
    async def test_a_wait_notices_what_the_other_does(self, world: World) -> None:
        other = await world.open()
        await settled(other)
        await wakes(other.wait_for_work("dispatcher", FOREVER), world.accept)
        (attempt,) = await other.claim("other", 10, 10.0)
        await settled(other)
        await wakes(other.wait_for_work("dispatcher", FOREVER), lambda: world.storage.cancel([attempt.task.id]))
        latest = await other.latest_completion()
        attempt = await world.start()
        await wakes(other.wait_for_completions(latest, FOREVER), lambda: world.storage.finish([complete(attempt)]))

    @case
    async def test_between_two_waits_what_the_other_does_is_not_missed(self, world: World) -> None:
        other = await world.open()
        await settled(other)
        await world.accept()
        await other.wait_for_work("dispatcher", FOREVER)
        await settled(other)
        (delayed,) = await world.accept(delay=60)
        await settled(other)
        world.clock.advance(60)
        await other.wait_for_work("dispatcher", FOREVER)
        claimed = await other.claim("dispatcher", 10, 10.0)
        assert delayed in [attempt.task for attempt in claimed]

    @case
    async def test_a_follower_misses_nothing_while_two_finish(self, world: World) -> None:
        other = await world.open()
        await world.accept(300)
        attempts = await world.claim(limit=300)

        async def finish(storage: Storage, share: list[Attempt]) -> None:
            for start in range(0, len(share), 5):
                await storage.finish([complete(attempt) for attempt in share[start : start + 5]])

        async def follow() -> list[Completion]:
            seen: list[Completion] = []
            while len(seen) < len(attempts):
                after = seen[-1].sequence if seen else 0
                seen += await other.wait_for_completions(after, FOREVER)
            return seen

        seen, *_ = await asyncio.gather(follow(), finish(world.storage, attempts[::2]), finish(other, attempts[1::2]))
        assert [item.sequence for item in seen] == sorted({item.sequence for item in seen})
        assert {item.task_id for item in seen} == {attempt.task.id for attempt in attempts}
        assert await world.storage.completions(0) == seen
