"""`as_completed` and `gather`, of both clients."""

import asyncio
import time
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpcsfaas.client import AsyncClient, Client, TaskHandle, errors
from mpcsfaas.client.handles import MAX_ASKED, Awaited, BaseHandle
from mpcsfaas.client.outcome import Outcome
from mpcsfaas.model import State
from mpcsfaas.testing.fake_gateway import FakeGateway, problem
from mpcsfaas.testing.platform import PlatformProcess, wait_until

LONG = 3600

# Decisions


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def handles_of(*ids: str) -> list[BaseHandle[Any]]:
    return [BaseHandle(task_id) for task_id in ids]


@settings(deadline=None, max_examples=100)
@given(st.lists(st.integers(0, 20).map(str), max_size=30), st.data())
def test_every_handle_is_given_once(ids: list[str], data: st.DataObject) -> None:
    """Whatever ends when, and also if a task has several handles."""
    handles = handles_of(*ids)
    for handle in data.draw(st.sets(st.sampled_from(handles))) if handles else ():
        handle.ended(Outcome("known"))
    awaited = Awaited(handles, None, Clock())
    given_handles = list(awaited.known)
    while awaited:
        asked, wait = awaited.question()
        assert wait == 30
        ended = data.draw(st.sets(st.sampled_from(asked), min_size=1))
        given_handles += awaited.answered(asked, {task_id: Outcome(task_id) for task_id in ended})
    assert sorted(map(id, given_handles)) == sorted(map(id, handles))
    assert all(handle.unwrap() in ("known", handle.id) for handle in handles)


def test_those_that_were_not_asked_about_come_next() -> None:
    awaited = Awaited(handles_of(*map(str, range(MAX_ASKED + 1))), None, Clock())
    asked, wait = awaited.question()
    assert (len(asked), wait < 1) == (MAX_ASKED, True)
    assert awaited.answered(asked, {}) == []
    assert awaited.question()[0][0] == str(MAX_ASKED)


def test_time_is_up_only_after_all_were_asked_about() -> None:
    clock = Clock()
    awaited = Awaited(handles_of(*map(str, range(MAX_ASKED + 1))), 0, clock)
    for _ in range(2):
        asked, wait = awaited.question()
        assert wait == 0
        awaited.answered(asked, {})
    with pytest.raises(TimeoutError, match=r"within 0 s: 1001\. They go on"):
        awaited.question()


def test_the_wait_is_never_longer_than_the_time_left() -> None:
    clock = Clock()
    awaited = Awaited(handles_of("a"), 40, clock)
    waits = []
    for _ in range(2):
        asked, wait = awaited.question()
        waits.append(wait)
        clock.now += wait
        awaited.answered(asked, {})
    assert waits == [30, 10]
    with pytest.raises(TimeoutError):
        awaited.question()


# On a platform


def fail(text: str) -> None:
    raise KeyError(text)


class FalsyError(Exception):
    """An exception that is false, as one with an empty `__len__` is."""

    def __bool__(self) -> bool:
        return False


def raise_falsy(_: int) -> None:
    raise FalsyError


def test_a_falsy_exception_is_an_exception(client: Client) -> None:
    handle = client.submit(raise_falsy, 1)
    with pytest.raises(FalsyError):
        client.gather([handle])
    errors: list[Any] = [*client.gather([handle], errors="return"), *client.map(raise_falsy, [1], errors="return")]
    assert [type(error) for error in errors] == [FalsyError, FalsyError]


def test_as_they_are_ready(client: Client) -> None:
    slow = client.submit(time.sleep, LONG)
    quick = client.submit_many(pow, [(2, 5), (2, 6)])
    completed = client.as_completed([slow, *quick])
    assert {next(completed), next(completed)} == set(quick)
    assert [handle.result() for handle in quick] == [32, 64]
    slow.cancel()
    assert next(completed) is slow
    with pytest.raises(errors.TaskCancelled):
        slow.result()
    assert list(client.as_completed([])) == []


def test_results_are_there_without_asking_again(gateway: FakeGateway, fake_client: Client) -> None:
    handles = fake_client.submit_many(pow, [(2, number) for number in range(2500)])
    gateway.batch_sizes.clear()
    gateway.requests.clear()
    assert sum(handle.result() for handle in fake_client.as_completed(handles)) == 2**2500 - 1
    assert fake_client.gather(handles) == [2**number for number in range(2500)]
    assert (gateway.batch_sizes, len(gateway.requests)) == ([1000, 1000, 500], 3)


def test_gather(client: Client) -> None:
    handles = client.submit_many(divmod, [(7, 2), (1, 0)])
    value, error = client.gather(handles, errors="return")
    assert value == (3, 1)
    assert isinstance(error, ZeroDivisionError)
    with pytest.raises(ZeroDivisionError):
        client.gather(handles)
    assert client.gather([]) == []


def test_gather_raises_the_first_exception_at_once(client: Client) -> None:
    slow: TaskHandle[None] = client.submit(time.sleep, LONG)
    bad: TaskHandle[None] = client.submit(fail, "no")
    with pytest.raises(KeyError, match="no") as caught:
        client.gather([slow, bad])
    assert "in fail" in str(caught.value.__cause__)
    assert not slow.status().is_terminal
    slow.cancel()


def test_a_timeout_leaves_the_tasks_alone(client: Client) -> None:
    slow = client.submit(time.sleep, LONG)
    with pytest.raises(TimeoutError, match=r"within 0\.05 s: 1\. They go on"):
        client.gather([slow], timeout=0.05)
    assert not slow.status().is_terminal
    slow.cancel()


def test_a_task_that_is_gone_is_an_error_of_its_own(client: Client) -> None:
    handle = client.with_options(ttl=0.01).submit(pow, 2, 5)
    unknown: TaskHandle[int] = TaskHandle(client, "01942f6c-1c00-7c3a-8f00-5d6e7f8091a2")
    wait_until(lambda: client.task(handle).expired, what="the result's expiry")
    gone: list[Any] = client.gather([handle, unknown], errors="return")
    assert [type(error) for error in gone] == [errors.ResultExpired, errors.NotFound]


def test_a_bar_counts_what_has_ended(client: Client, capsys: pytest.CaptureFixture[str]) -> None:
    client.gather(client.submit_many(abs, [(number,) for number in range(20)]), progress=True)
    assert "20/20" in capsys.readouterr().err


def test_awaited(platform: PlatformProcess) -> None:
    async def main() -> None:
        async with AsyncClient(platform.url) as client:
            slow = await client.submit(time.sleep, LONG)
            quick: Any = await client.submit_many(divmod, [(7, 2), (1, 0)])
            async with aclosing(client.as_completed([slow, *quick])) as completed:  # type: ignore[type-var]
                assert {await anext(completed), await anext(completed)} == set(quick)
            assert (await client.gather(quick, errors="return"))[0] == (3, 1)
            with pytest.raises(ZeroDivisionError):
                await client.gather(quick)
            with pytest.raises(TimeoutError):
                await client.gather([slow], timeout=0.05)
            assert await slow.cancel() is State.CANCELLED

    asyncio.run(main())


def test_it_survives_a_gateway_that_is_busy(gateway: FakeGateway, fake_client: Client) -> None:
    handles = fake_client.submit_many(abs, [(-1,), (-2,)])
    gateway.fault = busy_once(gateway)
    assert fake_client.gather(handles) == [1, 2]
    assert gateway.count("/v1/tasks:results") == 2


def busy_once(gateway: FakeGateway) -> Callable[[Any], Any]:
    def fault(_: Any) -> Any:
        gateway.fault = None
        return problem(503, "busy", "0.01")

    return fault
