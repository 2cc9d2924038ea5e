"""Reading: records, listings by cursor, the feed of completions, statistics."""

import pytest
from msgspec.structs import replace

from mpcsfaas.interfaces.storage import Completion, EnqueueStatus, Statistics, TaskFilter
from mpcsfaas.model import State, retry_id
from mpcsfaas.testing.storage_cases.world import (
    Contract,
    World,
    case,
    complete,
    fail,
    list_all,
    make_function,
    requeue,
)


class ListingCases(Contract):
    """`get_tasks`, `get_results`, `get_payloads`, `get_logs`, `list_tasks`."""

    @case
    async def test_answers_are_in_the_order_of_the_question(self, world: World) -> None:
        first, second = await world.accept(2)
        ids = [second.id, "unknown", first.id, second.id]
        records = await world.storage.get_tasks(ids)
        assert [record and record.id for record in records] == [second.id, None, first.id, second.id]
        results = await world.storage.get_results(ids)
        assert [result and result.task_id for result in results] == [second.id, None, first.id, second.id]
        assert await world.storage.get_logs("unknown") is None
        assert await world.storage.get_tasks([]) == []
        assert await world.storage.get_results([]) == []

    @case
    async def test_a_payload_is_kept_while_it_may_be_needed(self, world: World) -> None:
        failed, requeued, running = await world.start(), await world.start(), await world.start()
        completed = await world.end()
        (cancelled,) = await world.accept()
        await world.storage.cancel([cancelled.id])
        await world.storage.finish([fail(failed), requeue(requeued)])
        kept, gone = [failed.task, requeued.task, running.task], [completed.task, cancelled]
        ids = [task.id for task in (*kept, *gone)]
        expected = [*(task.payload for task in kept), None, None, None]
        assert await world.storage.get_payloads([*ids, "unknown"]) == expected
        assert await world.storage.get_payloads([]) == []

    @case
    async def test_a_large_payload_comes_back_whole(self, world: World) -> None:
        large = bytes(range(256)) * 4096
        task = replace(world.task(), payload=large)
        await world.storage.enqueue([task])
        (attempt,) = await world.claim()
        await world.storage.finish([fail(attempt)])
        assert await world.storage.get_payloads([task.id]) == [large]

    @case
    async def test_a_record_names_the_task_that_it_does_again(self, world: World) -> None:
        failed = await world.start(group="group", priority=3)
        await world.storage.finish([fail(failed)])
        again = replace(failed.task, id=retry_id(failed.task.id), retry_of=failed.task.id)
        assert [each.status for each in await world.storage.enqueue([again, again])] == [
            EnqueueStatus.ACCEPTED,
            EnqueueStatus.DUPLICATE,
        ]
        assert (await world.record(again.id)).retry_of == failed.task.id
        assert (await world.record(failed.task.id)).retry_of is None
        assert [attempt.task for attempt in await world.claim()] == [again]

    @case
    async def test_tasks_are_listed_newest_first_in_pages(self, world: World) -> None:
        tasks = await world.accept(7)
        expected = [task.id for task in reversed(tasks)]
        for limit in (1, 3, 7, 100):
            assert [record.id for record in await list_all(world.storage, limit=limit)] == expected
        page = await world.storage.list_tasks(TaskFilter(), limit=3)
        assert len(page.items) <= 3

    @case
    async def test_a_listing_is_of_whole_records(self, world: World) -> None:
        attempt = await world.start(group="group", priority=3)
        await world.storage.finish([requeue(attempt)])
        assert await list_all(world.storage) == [await world.record(attempt.task.id)]

    @case
    async def test_filters_can_be_combined(self, world: World) -> None:
        other = make_function("other")
        await world.storage.put_function(other)
        for function in (world.function, other):
            for group in ("a", "b", None):
                await world.end(function=function, group=group)
                await world.storage.finish([fail(await world.start(function=function, group=group))])
                await world.start(function=function, group=group)
                (cancelled,) = await world.accept(function=function, group=group)
                await world.storage.cancel([cancelled.id])
                await world.accept(function=function, group=group, delay=60)
        records = await list_all(world.storage)
        assert len(records) == 30
        for state in (None, *State):
            for function_id in (None, other.id, "unknown"):
                for name in (None, "a", "unknown"):
                    expected = [
                        record
                        for record in records
                        if state in (None, record.state)
                        and function_id in (None, record.function_id)
                        and name in (None, record.options.group)
                    ]
                    assert await list_all(world.storage, TaskFilter(state, function_id, name), limit=2) == expected

    @case
    async def test_a_task_that_stays_is_given_once_while_others_come_and_go(self, world: World) -> None:
        stay = {task.id for task in await world.accept(10, delay=60)}
        seen: list[str] = []
        cursor = None
        while True:
            page = await world.storage.list_tasks(TaskFilter(), cursor, limit=3)
            seen += [record.id for record in page.items]
            ended = await world.end(ttl=0)
            await world.accept(2, delay=60)
            await world.storage.expire()
            await world.storage.cancel([ended.task.id])
            cursor = page.cursor
            if cursor is None:
                break
        assert len(seen) == len(set(seen))
        assert stay <= set(seen)

    @case
    async def test_a_task_that_keeps_matching_is_given_once_while_others_change_state(self, world: World) -> None:
        tasks = await world.accept(12)
        stay = {task.id for task in tasks[::2]}
        page = await world.storage.list_tasks(TaskFilter(State.QUEUED), limit=4)
        await world.storage.cancel([task.id for task in tasks[1::2]])
        seen = [record.id for record in page.items]
        while page.cursor is not None:
            page = await world.storage.list_tasks(TaskFilter(State.QUEUED), page.cursor, limit=4)
            seen += [record.id for record in page.items]
        assert len(seen) == len(set(seen))
        assert stay <= set(seen)

    @case
    async def test_a_cursor_of_another_kind_is_an_error(self, world: World) -> None:
        await world.accept(1)
        for cursor in ("", "nonsense", "1;2", "9" * 40):
            with pytest.raises(ValueError):
                await world.storage.list_tasks(TaskFilter(), cursor)


class FeedCases(Contract):
    """`completions`, `latest_completion`, `statistics`."""

    @case
    async def test_the_feed_is_of_every_end_in_order(self, world: World) -> None:
        assert await world.storage.completions(0) == []
        assert await world.storage.latest_completion() == 0
        completed = await world.end(group="group")
        failed = await world.start()
        await world.storage.finish([fail(failed)])
        (cancelled,) = await world.accept(group="other")
        await world.storage.cancel([cancelled.id])
        requeued = await world.start()
        await world.storage.finish([requeue(requeued)])
        feed = await world.storage.completions(0)
        sequences = [item.sequence for item in feed]
        assert sequences == sorted(set(sequences))
        assert sequences[0] > 0
        assert feed == [
            Completion(sequences[0], completed.task.id, "group", State.COMPLETED),
            Completion(sequences[1], failed.task.id, None, State.FAILED),
            Completion(sequences[2], cancelled.id, "other", State.CANCELLED),
        ]
        assert await world.storage.latest_completion() == sequences[-1]

    @case
    async def test_the_feed_continues_after_a_sequence(self, world: World) -> None:
        await world.accept(10)
        attempts = await world.claim()
        await world.storage.finish([complete(attempt) for attempt in attempts])
        feed = await world.storage.completions(0)
        assert [item.task_id for item in feed] == [attempt.task.id for attempt in attempts]
        assert await world.storage.completions(0, limit=4) == feed[:4]
        assert await world.storage.completions(feed[3].sequence, limit=4) == feed[4:8]
        assert await world.storage.completions(feed[-1].sequence) == []

    @case
    async def test_the_feed_of_one_group(self, world: World) -> None:
        for name in ("a", "b", None, "a", "a"):
            await world.end(group=name)
        feed = await world.storage.completions(0)
        own = [item for item in feed if item.group == "a"]
        assert len(own) == 3
        assert await world.storage.completions(0, group="a") == own
        assert await world.storage.completions(own[0].sequence, limit=1, group="a") == own[1:2]
        assert await world.storage.completions(0, group="unknown") == []

    @case
    async def test_following_from_the_latest_misses_nothing_later(self, world: World) -> None:
        await world.end()
        latest = await world.storage.latest_completion()
        attempt = await world.end()
        assert [item.task_id for item in await world.storage.completions(latest)] == [attempt.task.id]

    @case
    async def test_statistics_count_every_state(self, world: World) -> None:
        assert await world.storage.statistics() == Statistics(functions=1)
        await world.end()
        await world.end()
        await world.storage.finish([fail(await world.start())])
        await world.storage.cancel([(await world.start()).task.id])
        await world.start()
        await world.start()
        (oldest,) = await world.accept(delay=5)
        world.clock.advance(1)
        await world.accept(2)
        assert await world.storage.statistics() == Statistics(3, 2, 2, 1, 1, 1, 0, oldest.created_at)

    @case
    async def test_statistics_follow_a_task_through_its_life(self, world: World) -> None:
        attempt = await world.start()
        assert await world.storage.statistics() == Statistics(running=1, functions=1)
        await world.storage.finish([requeue(attempt)])
        assert await world.storage.statistics() == Statistics(
            queued=1, functions=1, oldest_queued_at=attempt.task.created_at
        )
        (attempt,) = await world.claim()
        await world.storage.finish([complete(attempt), complete(attempt)])
        assert await world.storage.statistics() == Statistics(completed=1, functions=1, fenced=1)
