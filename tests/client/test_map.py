"""`map`, of the client and of decorated functions."""

import contextlib
import itertools
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpcsfaas.client import Client, errors
from mpcsfaas.client.mapping import BATCHES_AHEAD, MapPlan
from mpcsfaas.client.outcome import Outcome
from mpcsfaas.client.payloads import Payloads
from mpcsfaas.client.session import Registry, Session
from mpcsfaas.errors import SerializationError
from mpcsfaas.model import State
from mpcsfaas.testing.fake_gateway import FakeGateway
from mpcsfaas.testing.platform import wait_until

# Decisions


def make_plan(items: Any, unordered: bool = False, return_errors: bool = False, batch_size: int = 3) -> MapPlan:
    session = Session(Registry(Payloads("cloudpickle")), 10.0)
    return MapPlan(session, "function-id", [items], unordered, return_errors, batch_size)


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 60), st.integers(1, 5), st.booleans(), st.data())
def test_every_item_is_given_once(count: int, batch_size: int, unordered: bool, data: st.DataObject) -> None:
    """Whatever the order of the tasks' ends; in the items' order unless told otherwise."""
    plan = make_plan(range(count), unordered, batch_size=batch_size)
    numbers: dict[str, int] = {}
    given_values: list[int] = []
    while not plan.finished:
        while batch := plan.next_batch():
            numbers.update({task.id: len(numbers) + index for index, task in enumerate(batch)})
        assert len(numbers) - len(given_values) <= BATCHES_AHEAD * batch_size
        given_values += plan.take_ready()
        if plan.waiting:
            ended = data.draw(st.sampled_from(plan.waiting))
            plan.ended(ended, Outcome(numbers[ended]))
    assert sorted(given_values) == list(range(count))
    if not unordered:
        assert given_values == list(range(count))


def test_a_refusal_takes_its_item_place() -> None:
    plan = make_plan([1], return_errors=True)
    batch = plan.next_batch()
    error = errors.RequestRefused("no")
    plan.answered(batch, [error])
    assert list(plan.take_ready()) == [error]
    assert plan.finished


def test_one_idempotency_key_is_refused() -> None:
    with Client("http://127.0.0.1:9") as client, pytest.raises(ValueError, match="idempotency_key"):
        client.with_options(idempotency_key="x").map(pow, [1], [2])


# On a platform


def reciprocal(number: float) -> float:
    return 1 / number


def wait_a_little(number: int) -> int:
    time.sleep(0.3 if number == 0 else 0)
    return number


def test_in_order(client: Client) -> None:
    assert list(client.map(pow, range(100), itertools.repeat(2), batch_size=7)) == [n**2 for n in range(100)]


def test_of_a_decorated_function(client: Client) -> None:
    function = client.function(reciprocal)
    assert list(function.map([1, 2, 4])) == [1, 0.5, 0.25]


def test_nothing(client: Client) -> None:
    assert list(client.map(abs, [])) == []


def test_unordered(client: Client) -> None:
    results = list(client.map(wait_a_little, range(10), unordered=True, batch_size=10))
    assert sorted(results) == list(range(10))
    assert results[0] != 0


def test_errors_are_raised_in_their_place(client: Client) -> None:
    results = client.map(reciprocal, [1, 2, 0, 4])
    assert next(results) == 1
    assert next(results) == 0.5
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_errors_are_returned_when_asked_for(client: Client) -> None:
    one, error, two = client.map(reciprocal, [1, 0, 0.5], errors="return")
    assert (one, two) == (1, 2)
    assert isinstance(error, ZeroDivisionError)


def test_endless_items(client: Client) -> None:
    results = client.map(abs, itertools.count(), batch_size=5)
    assert list(itertools.islice(results, 30)) == list(range(30))
    results.close()  # type: ignore[attr-defined]


def test_leaving_early_cancels_the_rest(client: Client) -> None:
    grouped = client.with_options(group="left-early")
    for _ in grouped.map(time.sleep, [0, 3600, 3600, 3600]):
        break
    ended = {State.COMPLETED, State.CANCELLED}
    wait_until(lambda: {record.state for record in client.tasks(group="left-early")} == ended, what="the cancellation")


def test_an_item_that_cannot_be_sent(client: Client) -> None:
    with pytest.raises(SerializationError, match=r"_thread.lock"):
        list(client.map(print, [1, threading.Lock()]))


def test_a_progress_bar(client: Client, capsys: pytest.CaptureFixture[str]) -> None:
    list(client.map(abs, range(20), progress=True))
    assert "20/20" in capsys.readouterr().err
    list(client.map(abs, range(20)))
    assert capsys.readouterr().err == ""


# Before a gateway that misbehaves


@pytest.fixture
def many(gateway: FakeGateway, fake_client: Client) -> Iterator[Any]:
    results = fake_client.map(abs, itertools.count(), batch_size=10)
    with contextlib.closing(results):  # type: ignore[type-var]
        yield results


def test_the_stream_may_break(gateway: FakeGateway, many: Any) -> None:
    gateway.cut_after = 50
    assert list(itertools.islice(many, 200)) == list(range(200))
    gateway.cut_streams()
    assert list(itertools.islice(many, 200)) == list(range(200, 400))
    assert len(gateway.streams) == 3
    assert gateway.streams[0] == 0 < gateway.streams[2]


def test_submitting_begins_at_once(gateway: FakeGateway, many: Any) -> None:
    assert len(gateway.tasks) == 10


def test_lost_tasks_do_not_hang(gateway: FakeGateway, fake_client: Client) -> None:
    gateway.held = True
    results = fake_client.map(abs, [1, 2], errors="return")
    first, _ = list(gateway.tasks)
    gateway.forget_task(first)

    def interfere() -> None:
        wait_until(lambda: gateway.streams, what="the stream")
        gateway.cut_streams()
        wait_until(lambda: len(gateway.streams) == 2, what="the second stream")
        gateway.release()

    with ThreadPoolExecutor(1) as pool:
        interference = pool.submit(interfere)
        lost, kept = results
        interference.result()
    assert isinstance(lost, errors.NotFound)
    assert kept == 2
