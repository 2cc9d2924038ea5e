"""Many viewers cost as much as one, and none costs nothing."""

import asyncio
from collections.abc import Callable
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpcsfaas.errors import StorageUnavailable
from mpcsfaas.interfaces.storage import Completion, StorageOptions
from mpcsfaas.model import State
from mpcsfaas_dashboard.follower import SAMPLE, spread
from mpcsfaas_dashboard.look import Observer
from mpcsfaas_dashboard.sharing import INTERVAL, LARGEST_SHARE, MEMORY, Observers, SharedObserver, next_look
from mpcsfaas_storage_memory import MemoryStorage


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def counted(clock: Callable[[], float]) -> tuple[SharedObserver, list[str]]:
    """A shared observer, and the looks that it takes."""
    looks: list[str] = []

    class Counting(MemoryStorage):
        async def latest_completion(self) -> int:
            looks.append("look")
            await asyncio.sleep(0.01)
            if len(looks) == 3:
                raise StorageUnavailable("gone")
            return await super().latest_completion()

    storage = Counting("memory://", StorageOptions())
    return SharedObserver(Observer(storage, storage, sees_platform=True), clock), looks


def test_all_who_ask_get_one_look() -> None:
    async def look_often() -> None:
        clock = Clock()
        shared, looks = counted(clock)
        answers = await asyncio.gather(*(shared.look() for _ in range(50)))
        assert len(looks) == len(set(answers)) == 1
        clock.now += INTERVAL / 2
        assert await shared.look() == answers[0]
        clock.now += INTERVAL / 2
        assert await shared.look() != answers[0]
        assert len(looks) == 2

    asyncio.run(look_often())


def test_a_storage_that_goes_away_is_told_to_each_and_asked_again() -> None:
    async def look_thrice() -> None:
        clock = Clock()
        shared, looks = counted(clock)
        for _ in range(2):
            await shared.look()
            clock.now += INTERVAL
        with pytest.raises(StorageUnavailable):
            await shared.look()
        assert msgspec.json.decode(await shared.look())["depth"]["queued"] == 0
        assert len(looks) == 4

    asyncio.run(look_thrice())


def test_observers_are_of_one_audience_and_forgotten() -> None:
    clock = Clock()
    storage = MemoryStorage("memory://", StorageOptions())
    observers = Observers(clock)
    made = []

    def make() -> Observer:
        made.append(clock.now)
        return Observer(storage, storage, sees_platform=True)

    first = observers.of("acme", make)
    assert observers.of("acme", make) is first
    assert observers.of("other", make) is not first
    clock.now += MEMORY + 1
    assert observers.of("acme", make) is not first
    assert len(made) == 3


@given(began=st.floats(0, 1e6), took=st.floats(0, 100))
def test_looking_takes_a_tenth_of_the_time_at_most(began: float, took: float) -> None:
    following = next_look(began, began + took)
    assert following >= began + INTERVAL
    assert took <= (following - began) * LARGEST_SHARE * (1 + 1e-6) + 1e-6


@given(st.integers(0, 5000))
def test_a_sample_is_spread_over_all(count: int) -> None:
    completions = [Completion(number, str(number), None, State.COMPLETED) for number in range(count)]
    sample = spread(completions, SAMPLE)
    assert len(sample) == min(count, SAMPLE)
    gaps = [right.sequence - left.sequence for left, right in pairwise(sample)]
    assert all(1 <= gap <= count // SAMPLE + 1 for gap in gaps)
