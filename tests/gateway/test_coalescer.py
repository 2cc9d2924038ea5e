"""Calls are merged, and nobody notices."""

import asyncio
import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpcsfaas.errors import QueueFull, StorageUnavailable
from mpcsfaas.gateway.coalescer import Coalescer


class Recorder:
    """Doubles numbers; a 13 poisons its batch, a 0 says that nothing can be reached."""

    def __init__(self, chance: random.Random | None = None) -> None:
        self.batches: list[list[int]] = []
        self.called = asyncio.Event()
        self._chance = chance or random.Random(0)

    async def __call__(self, items: Sequence[int]) -> list[int]:
        self.batches.append(list(items))
        self.called.set()
        for _ in range(self._chance.randint(1, 4)):
            await asyncio.sleep(0)
        if 0 in items:
            raise StorageUnavailable("down")
        if 13 in items:
            raise QueueFull("unlucky")
        return [2 * item for item in items]


def test_the_first_goes_at_once_and_the_rest_together() -> None:
    recorder = Recorder()

    async def main() -> None:
        coalescer = Coalescer(recorder)
        first = asyncio.create_task(coalescer.submit([1]))
        await recorder.called.wait()
        answers = await asyncio.gather(first, *(coalescer.submit([number]) for number in range(2, 9)))
        assert list(answers) == [[2 * number] for number in range(1, 9)]

    asyncio.run(main())
    assert recorder.batches == [[1], list(range(2, 9))]


def test_calls_of_one_wake_up_are_one_batch_up_to_the_limit() -> None:
    recorder = Recorder()

    async def main() -> None:
        coalescer = Coalescer(recorder, limit=4)
        await asyncio.gather(*(coalescer.submit([number, number]) for number in range(1, 4)), coalescer.submit([5] * 9))

    asyncio.run(main())
    assert recorder.batches == [[1, 1, 2, 2], [3, 3], [5] * 9]


def test_an_error_reaches_only_its_cause() -> None:
    recorder = Recorder()

    async def main() -> list[Sequence[int] | BaseException]:
        coalescer = Coalescer(recorder)
        return await asyncio.gather(*(coalescer.submit([n]) for n in (1, 13, 2)), return_exceptions=True)

    one, unlucky, two = asyncio.run(main())
    assert (one, two) == ([2], [4])
    assert isinstance(unlucky, QueueFull)
    assert recorder.batches == [[1, 13, 2], [1], [13], [2]]


def test_a_storage_that_is_down_is_not_asked_again_for_each() -> None:
    recorder = Recorder()

    async def main() -> list[Sequence[int] | BaseException]:
        coalescer = Coalescer(recorder)
        return await asyncio.gather(*(coalescer.submit([n]) for n in (1, 0, 2)), return_exceptions=True)

    assert all(isinstance(answer, StorageUnavailable) for answer in asyncio.run(main()))
    assert len(recorder.batches) == 1


def test_one_who_gives_up_does_not_take_others_along() -> None:
    recorder = Recorder()

    async def main() -> None:
        coalescer = Coalescer(recorder)
        leaver, stayer = (asyncio.create_task(coalescer.submit([number])) for number in (1, 2))
        await recorder.called.wait()
        leaver.cancel()
        assert await stayer == [4]
        with pytest.raises(asyncio.CancelledError):
            await leaver
        assert await coalescer.submit([3]) == [6]

    asyncio.run(main())


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.integers(1, 20), max_size=4), max_size=20), st.integers(0, 2**32), st.integers(1, 6))
def test_everybody_gets_their_own_answers(calls: list[list[int]], seed: int, limit: int) -> None:
    chance = random.Random(seed)
    recorder = Recorder(chance)

    async def call(coalescer: Coalescer[int, int], items: list[int]) -> None:
        for _ in range(chance.randint(0, 5)):
            await asyncio.sleep(0)
        if 13 in items:
            with pytest.raises(QueueFull):
                await coalescer.submit(items)
        else:
            assert await coalescer.submit(items) == [2 * item for item in items]

    async def main() -> None:
        coalescer = Coalescer(recorder, limit)
        await asyncio.gather(*(call(coalescer, items) for items in calls))

    asyncio.run(main())
    assert all(len(batch) <= max(limit, 4) for batch in recorder.batches)
