"""Tasks as arguments of others: the result goes from worker to worker, and a failure from parent to child."""

import asyncio

import httpx
import pytest

from mpcsfaas.client import AsyncClient, Client, Executor, result_of
from mpcsfaas.client.errors import ParentFailed, TaskTimeout
from mpcsfaas.model import State
from mpcsfaas.testing.deployment import Deployment


def reversed_pair(pair: tuple[int, int]) -> tuple[int, int]:
    return pair[1], pair[0]


def total(numbers: list[int], **more: int) -> int:
    return sum(numbers) + sum(more.values())


def divided(number: float, by: int) -> float:
    return number / by


def test_a_chain_of_a_hundred(client: Client) -> None:
    with Executor(client) as executor:
        future = executor.submit(divmod, 7, 7)
        for _ in range(98):
            future = executor.submit(reversed_pair, result_of(future))
        assert executor.submit(reversed_pair, result_of(future)).result(60) == (0, 1)


def test_a_fan_out_and_in_again(client: Client) -> None:
    seed = client.submit(abs, -2)
    parts = client.submit_many(pow, [(seed, exponent) for exponent in range(50)])
    numbers = [result_of(part) for part in parts]
    assert client.submit(total, numbers, seed=result_of(seed)).result(60) == 2**50 - 1 + 2


def test_a_diamond_of_two_serializers(client: Client, platform: Deployment) -> None:
    with Client(platform.url, serializer="json") as plain:
        top = plain.submit(divmod, 7, 2)
        left, right = client.submit(max, result_of(top)), plain.submit(min, result_of(top))
        by_name = {"left": result_of(left), "right": result_of(right)}
        assert client.submit(dict, by_name).result(60) == {"left": 3, "right": 1}
        numbers = [result_of(left), result_of(right)]
        assert plain.submit(total, numbers).result(60) == 4


def test_a_failed_parent_fails_all_that_comes_after_it(client: Client) -> None:
    parent = client.submit(divided, 1, 0)
    handle = client.submit(divided, result_of(parent), 1)
    for _ in range(3):
        handle = client.submit(divided, result_of(handle), 1)
    with pytest.raises(ParentFailed, match=f"Its parent {parent.id} failed .exception.: ZeroDivisionError") as caught:
        handle.result(60)
    assert "in divided" in str(caught.value.__cause__)
    record = client.task(handle)
    assert [attempt.worker for attempt in record.history] == [""], "it was given to a worker"


def test_a_cancelled_parent_fails_its_child(client: Client) -> None:
    parent = client.with_options(delay=600).submit(abs, 1)
    child = client.submit(abs, result_of(parent))
    assert child.status() is State.QUEUED
    parent.cancel()
    with pytest.raises(ParentFailed, match=f"Its parent {parent.id} is CANCELLED"):
        child.result(60)


def test_a_child_can_be_cancelled_and_can_be_too_late(client: Client) -> None:
    parent = client.with_options(delay=600).submit(abs, 1)
    cancelled, late = (
        client.submit(abs, result_of(parent)),
        client.with_options(deadline=0.3).submit(abs, result_of(parent)),
    )
    assert cancelled.cancel() is State.CANCELLED
    with pytest.raises(TaskTimeout):
        late.result(60)
    parent.cancel()


def test_the_asynchronous_twin(platform: Deployment) -> None:
    async def run() -> tuple[int, int]:
        async with AsyncClient(platform.url) as client:
            first = await client.submit(divmod, 7, 2)
            second = await client.submit(reversed_pair, result_of(first))
            third = await client.submit(reversed_pair, result_of(second))
            return await third.result(60)

    assert asyncio.run(run()) == (3, 1)


def test_over_rest_in_plain_json(client: Client, platform: Deployment) -> None:
    with httpx.Client(base_url=platform.url) as api:
        parent = {"function_id": client.register(divmod), "args": [7, 2]}
        parent_id = api.post("/v1/tasks", json=parent).raise_for_status().json()["id"]
        result = {"$result": parent_id}
        child = {
            "function_id": client.register(total),
            "args": [result],
            "kwargs": {"more": 1},
            "after": [parent_id],
        }
        answer = api.post("/v1/tasks?wait=30", json=child).raise_for_status().json()
        assert answer["value"] == 3 + 1 + 1
        echoed = {"function_id": client.register(dict), "kwargs": {"a": [{"b": result}], "other": {"$result": "x"}}}
        answer = api.post("/v1/tasks?wait=30", json={**echoed, "after": [parent_id]}).raise_for_status().json()
        assert answer["value"] == {"a": [{"b": [3, 1]}], "other": {"$result": "x"}}
