"""Following the feed: every task counts once, whatever fails meanwhile."""

import asyncio
import math
from collections.abc import Sequence
from typing import cast

from hypothesis import given, settings
from hypothesis import strategies as st

from mpcsfaas.errors import StorageUnavailable
from mpcsfaas.figures import SLOT, Figures
from mpcsfaas.interfaces import Storage
from mpcsfaas.interfaces.storage import Completion
from mpcsfaas.model import State, TaskOptions, TaskRecord
from mpcsfaas_dashboard.follower import AWAY, CHUNK, CHUNKS, FIRST, SAMPLE, Follower

NOW = 1_000_000.0


class Feed:
    """A storage as a follower knows it: tasks of `tenants` by turns, of which it sees the first one's."""

    def __init__(self, tenants: int = 1) -> None:
        self.tenants = tenants
        self.now = NOW
        self.ended = 0
        self.is_gone = False
        self.read = 0

    def clock(self) -> float:
        return self.now

    async def latest_completion(self) -> int:
        return self.ended

    async def completions(self, after: int, limit: int) -> list[Completion]:
        numbers = range(after + 1, min(after + limit, self.ended) + 1)
        return [Completion(number, str(number), None, State.COMPLETED) for number in numbers]

    async def get_tasks(self, task_ids: Sequence[str]) -> list[TaskRecord | None]:
        self.read += len(task_ids)
        if self.is_gone:
            raise StorageUnavailable("gone")
        return [record(task_id, NOW) if int(task_id) % self.tenants == 0 else None for task_id in task_ids]


def record(task_id: str, at: float) -> TaskRecord:
    return TaskRecord(task_id, "f", "json", State.COMPLETED, at - 1, TaskOptions(), finished_at=at)


def followed(feed: Feed) -> tuple[Follower, Figures]:
    figures = Figures()
    return Follower(cast(Storage, feed), cast(Storage, feed), figures), figures


async def look(follower: Follower, feed: Feed) -> int:
    """Follow; how many tasks were read."""
    before = feed.read
    try:
        await follower.follow()
    except StorageUnavailable:
        assert feed.is_gone
    return feed.read - before


@given(st.lists(st.tuples(st.integers(0, SAMPLE // 13), st.booleans()), max_size=12), st.integers(1, 3))
def test_every_task_of_the_viewer_counts_once(steps: list[tuple[int, bool]], tenants: int) -> None:
    feed = Feed(tenants)
    follower, figures = followed(feed)

    async def look_at_each() -> None:
        for ended, is_gone in [*steps, (0, False)]:
            feed.ended += ended
            feed.is_gone = is_gone
            await look(follower, feed)

    asyncio.run(look_at_each())
    assert sum(figures.series(NOW).completed) * SLOT == feed.ended // tenants


@settings(max_examples=20)
@given(st.integers(SAMPLE + 1, CHUNK * CHUNKS))
def test_a_look_reads_few_tasks_which_stand_for_all(many: int) -> None:
    feed = Feed()
    follower, figures = followed(feed)
    asyncio.run(look(follower, feed))
    feed.ended = many
    assert asyncio.run(look(follower, feed)) == SAMPLE
    assert math.isclose(sum(figures.series(NOW).completed) * SLOT, many)


def test_after_a_while_only_the_latest_are_read() -> None:
    feed = Feed()
    follower, _ = followed(feed)
    asyncio.run(look(follower, feed))
    feed.ended = 50 * FIRST
    feed.now += AWAY + 1
    assert asyncio.run(look(follower, feed)) == FIRST
    assert asyncio.run(look(follower, feed)) == 0
