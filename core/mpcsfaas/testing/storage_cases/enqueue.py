"""Acceptance: every task once, and never more than there is room for."""

import pytest
from msgspec.structs import replace

from mpcsfaas.errors import QueueFull
from mpcsfaas.interfaces.storage import Enqueued, EnqueueStatus
from mpcsfaas.model import State, TaskOptions, TaskRecord
from mpcsfaas.testing.storage_cases.world import Contract, World, case, complete, list_all, make_function


class EnqueueCases(Contract):
    """`enqueue`."""

    @case
    async def test_an_accepted_task_is_queued_with_all_its_options(self, world: World) -> None:
        options = TaskOptions(
            max_retries=2,
            retry_delay=0.5,
            max_redeliveries=7,
            timeout=1.5,
            deadline=60.25,
            priority=-3,
            delay=2.5,
            idempotency_key="key",
            ttl=123.0,
            group="group",
            labels=("gpu", "big"),
        )
        task = replace(world.task(), options=options)
        assert await world.storage.enqueue([task]) == [Enqueued(EnqueueStatus.ACCEPTED, task.id)]
        assert await world.record(task.id) == TaskRecord(
            id=task.id,
            function_id=task.function_id,
            serializer=task.serializer,
            state=State.QUEUED,
            created_at=task.created_at,
            options=options,
            ready_at=world.clock() + 2.5,
        )

    @case
    async def test_an_empty_batch_has_an_empty_answer(self, world: World) -> None:
        assert await world.storage.enqueue([]) == []

    @case
    async def test_a_repeated_batch_is_duplicates_and_changes_nothing(self, world: World) -> None:
        tasks = await world.accept(3)
        before = await list_all(world.storage)
        assert await world.storage.enqueue(tasks) == [Enqueued(EnqueueStatus.DUPLICATE, task.id) for task in tasks]
        assert await list_all(world.storage) == before
        assert (await world.storage.statistics()).queued == 3

    @case
    async def test_an_ended_task_is_not_accepted_again(self, world: World) -> None:
        attempt = await world.end()
        (answer,) = await world.storage.enqueue([attempt.task])
        assert answer == Enqueued(EnqueueStatus.DUPLICATE, attempt.task.id)
        assert await world.state(attempt.task.id) is State.COMPLETED

    @case
    async def test_an_id_repeated_within_the_batch_is_accepted_once(self, world: World) -> None:
        task = world.task()
        answers = await world.storage.enqueue([task, world.task(), task])
        assert [answer.status for answer in answers] == ["accepted", "accepted", "duplicate"]
        assert len(await world.claim()) == 2

    @case
    async def test_an_idempotency_key_names_the_task_accepted_first(self, world: World) -> None:
        (first,) = await world.accept(idempotency_key="key")
        (answer,) = await world.storage.enqueue([world.task(idempotency_key="key")])
        assert answer == Enqueued(EnqueueStatus.DUPLICATE, first.id)
        assert len(await world.claim()) == 1

    @case
    async def test_an_idempotency_key_within_the_batch_is_accepted_once(self, world: World) -> None:
        first, second, other = (world.task(idempotency_key=key) for key in ("key", "key", "other"))
        assert await world.storage.enqueue([first, second, other]) == [
            Enqueued(EnqueueStatus.ACCEPTED, first.id),
            Enqueued(EnqueueStatus.DUPLICATE, first.id),
            Enqueued(EnqueueStatus.ACCEPTED, other.id),
        ]

    @case
    async def test_an_idempotency_key_holds_after_the_end(self, world: World) -> None:
        attempt = await world.end(idempotency_key="key")
        (answer,) = await world.storage.enqueue([world.task(idempotency_key="key")])
        assert answer == Enqueued(EnqueueStatus.DUPLICATE, attempt.task.id)

    @case
    async def test_an_idempotency_key_is_of_one_function(self, world: World) -> None:
        other = make_function("other")
        await world.storage.put_function(other)
        await world.accept(idempotency_key="key")
        await world.accept(function=other, idempotency_key="key")
        assert len(await world.claim()) == 2

    @case
    async def test_an_unknown_function_refuses_only_its_own_tasks(self, world: World) -> None:
        good, bad = world.task(), world.task(make_function("unknown"))
        assert await world.storage.enqueue([bad, good]) == [
            Enqueued(EnqueueStatus.UNKNOWN_FUNCTION, bad.id),
            Enqueued(EnqueueStatus.ACCEPTED, good.id),
        ]
        assert await world.storage.get_tasks([bad.id]) == [None]

    @case
    async def test_a_refused_task_does_not_take_its_id_or_key(self, world: World) -> None:
        bad = world.task(make_function("unknown"), idempotency_key="key")
        good = replace(bad, function_id=world.function.id)
        answers = await world.storage.enqueue([bad, good])
        assert [answer.status for answer in answers] == ["unknown_function", "accepted"]

    @case
    async def test_a_full_queue_refuses_the_whole_batch(self, world: World) -> None:
        world.storage = await world.open(max_unfinished=3)
        await world.storage.put_function(world.function)
        await world.accept(2)
        batch = [world.task(), world.task()]
        with pytest.raises(QueueFull):
            await world.storage.enqueue(batch)
        assert await world.storage.get_tasks([task.id for task in batch]) == [None, None]
        await world.accept(1)

    @case
    async def test_a_full_queue_still_knows_its_duplicates(self, world: World) -> None:
        world.storage = await world.open(max_unfinished=2)
        await world.storage.put_function(world.function)
        tasks = await world.accept(2)
        answers = await world.storage.enqueue([*tasks, world.task(make_function("unknown"))])
        assert [answer.status for answer in answers] == ["duplicate", "duplicate", "unknown_function"]

    @case
    async def test_running_tasks_fill_the_queue_and_ended_ones_do_not(self, world: World) -> None:
        world.storage = await world.open(max_unfinished=1)
        await world.storage.put_function(world.function)
        attempt = await world.start()
        with pytest.raises(QueueFull):
            await world.storage.enqueue([world.task()])
        await world.storage.finish([complete(attempt)])
        await world.accept(1)

    @case
    async def test_a_large_payload_and_an_empty_one_arrive_whole(self, world: World) -> None:
        payloads = [b"", b"\x00\xff" * 300_000, "ünïcödé".encode()]
        tasks = [replace(world.task(), payload=payload) for payload in payloads]
        await world.storage.enqueue(tasks)
        assert [attempt.task for attempt in await world.claim()] == tasks

    @case
    async def test_a_large_batch_is_accepted_in_order(self, world: World) -> None:
        tasks = await world.accept(1237)
        claimed = await world.claim(limit=2000)
        assert [attempt.task.id for attempt in claimed] == [task.id for task in tasks]
