"""`Executor` before a gateway that misbehaves."""

import gc
import logging
import threading
from collections.abc import Iterator
from concurrent import futures
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response

from mpcsfaas.client import Client, Executor, errors
from mpcsfaas.client.operations import MAX_BATCH_ITEMS
from mpcsfaas.testing.fake_gateway import FakeGateway, problem
from mpcsfaas.testing.platform import wait_until


@pytest.fixture
def executor(gateway: FakeGateway) -> Iterator[Executor]:
    with Client(gateway.url, timeout=10) as client:
        executor = Executor(client)
        yield executor
        executor.shutdown(cancel_futures=True)


def results(pending: list[Any]) -> list[Any]:
    return [future.result(30) for future in pending]


class Fails:
    """The first `times` requests to paths that end with `path` get the answer of `make`."""

    def __init__(self, path: str, times: int, *answer: Any) -> None:
        self.path = path
        self.times = times
        self.answer = answer

    def __call__(self, request: Request) -> Response | None:
        if not request.url.path.endswith(self.path) or not self.times:
            return None
        self.times -= 1
        return problem(*self.answer)


def test_one_task_goes_at_once_and_others_gather_behind_it(gateway: FakeGateway, executor: Executor) -> None:
    started, go_on = threading.Event(), threading.Event()

    def hold_first(request: Request) -> None:
        if request.url.path.endswith(":batch") and not started.is_set():
            started.set()
            go_on.wait(30)

    gateway.fault = hold_first
    first = executor.submit(pow, 2, 0)
    assert started.wait(30)
    others = [executor.submit(pow, 2, number) for number in range(1, 11)]
    go_on.set()
    assert results([first, *others]) == [2**number for number in range(11)]
    assert gateway.batch_sizes == [1, 10]


def test_batches_are_bounded(gateway: FakeGateway, executor: Executor) -> None:
    count = 3 * MAX_BATCH_ITEMS
    assert results([executor.submit(abs, number) for number in range(count)]) == list(range(count))
    assert max(gateway.batch_sizes) <= MAX_BATCH_ITEMS
    assert sum(gateway.batch_sizes) == count


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_gateway_is_asked_again(gateway: FakeGateway, executor: Executor, status: int) -> None:
    gateway.fault = Fails(":batch", 3, status, "busy", "0.01")
    assert executor.submit(pow, 2, 5).result(30) == 32
    assert len(gateway.tasks) == 1


def test_an_answer_that_was_lost_doubles_nothing(gateway: FakeGateway, executor: Executor) -> None:
    """The task is accepted, but the client is told of a failure, and sends it again."""
    seen: list[str] = []

    def lose(request: Request) -> Response | None:
        seen.append(request.url.path)
        return None

    gateway.fault = lose
    gateway.lose_answers = 1
    assert executor.submit(pow, 2, 5).result(30) == 32
    wait_until(lambda: seen.count("/v1/tasks:batch") == 2, what="the second try")
    assert len(gateway.tasks) == 1


def test_a_stream_that_breaks_goes_on_where_it_was(gateway: FakeGateway, executor: Executor) -> None:
    gateway.held = True
    pending = [executor.submit(pow, 2, number) for number in range(50)]
    wait_until(lambda: all(future.accepted for future in pending), what="being accepted")
    gateway.cut_after = 30
    gateway.release()
    assert results(pending) == [2**number for number in range(50)]
    gateway.cut_streams()
    assert results([executor.submit(pow, 3, 3) for _ in range(20)]) == [27] * 20
    assert len(gateway.streams) == 3
    assert gateway.streams[0] == 0 < gateway.streams[2]


def test_a_function_that_was_forgotten_is_sent_again(gateway: FakeGateway, executor: Executor) -> None:
    assert executor.submit(pow, 2, 5).result(30) == 32
    gateway.forget_functions()
    assert executor.submit(pow, 2, 6).result(30) == 64
    assert gateway.registrations == 2


def test_tasks_that_the_gateway_lost_do_not_hang(gateway: FakeGateway, executor: Executor) -> None:
    gateway.held = True
    lost, expired, kept = (executor.submit(pow, 2, number) for number in range(3))
    wait_until(lambda: kept.accepted and gateway.streams, what="being accepted, and followed")
    gateway.forget_task(lost.task_id)
    gateway.tasks[expired.task_id]["expired"] = True
    gateway.cut_streams()
    assert isinstance(lost.exception(30), errors.NotFound)
    assert isinstance(expired.exception(30), errors.ResultExpired)
    assert not kept.done()
    gateway.release()
    assert kept.result(30) == 4


def test_nor_do_they_if_the_stream_had_not_begun(gateway: FakeGateway, executor: Executor) -> None:
    gateway.held = True
    gateway.fault = Fails("/stream", -1, 503, "not now")
    lost = executor.submit(pow, 2, 5)
    wait_until(lambda: lost.accepted and gateway.count("/stream"), what="being accepted, and a try to follow")
    gateway.forget_task(lost.task_id)
    gateway.fault = None
    assert isinstance(lost.exception(30), errors.NotFound)


@pytest.mark.parametrize(("status", "expected"), [(422, errors.RequestRefused), (413, errors.PayloadTooLarge)])
def test_a_refused_batch_fails_its_futures_only(
    gateway: FakeGateway, executor: Executor, status: int, expected: type[Exception]
) -> None:
    gateway.fault = Fails(":batch", 1, status, "no")
    assert isinstance(executor.submit(pow, 2, 5).exception(30), expected)
    assert executor.submit(pow, 2, 5).result(30) == 32


def test_a_function_that_is_refused_fails_its_futures_only(gateway: FakeGateway, executor: Executor) -> None:
    gateway.fault = Fails("/functions", 1, 413, "the function is too large")
    error = executor.submit(pow, 2, 5).exception(30)
    assert isinstance(error, errors.PayloadTooLarge)
    assert executor.submit(pow, 2, 5).result(30) == 32


def test_a_cancelled_task_that_waits_here_is_never_sent(gateway: FakeGateway, executor: Executor) -> None:
    gateway.fault = Fails(":batch", 3, 503, "busy", "0.05")
    first = executor.submit(pow, 2, 5)
    second = executor.submit(pow, 2, 6)
    assert second.cancel()
    assert first.result(30) == 32
    executor.shutdown()
    assert second.task_id not in gateway.tasks or gateway.tasks[second.task_id]["state"] == "CANCELLED"


def test_a_dead_gateway_fails_futures_in_time() -> None:
    with FakeGateway() as gateway:
        client = Client(gateway.url, timeout=0.5)
        executor = Executor(client)
        assert executor.submit(pow, 2, 5).result(30) == 32
        gateway.held = True
        held = executor.submit(pow, 2, 6)
        wait_until(lambda: held.accepted, what="being accepted")
    late = [executor.submit(pow, 2, number) for number in range(2 * MAX_BATCH_ITEMS)]
    for future in [held, *late]:
        error = future.exception(30)
        assert isinstance(error, errors.GatewayUnavailable)
    assert "Executor.attach" in str(held.exception())
    executor.shutdown()
    client.close()


def test_what_waits_behind_a_batch_is_given_up_with_it(gateway: FakeGateway) -> None:
    """Rather than each batch trying for as long again."""
    all_submitted = threading.Event()
    tried: set[str] = set()

    def refuse(request: Request) -> Response | None:
        if not request.url.path.endswith(":batch"):
            return None
        all_submitted.wait(30)
        tried.add(request.headers["Content-Length"])
        return problem(503, "no room")

    gateway.fault = refuse
    with Client(gateway.url, timeout=1.5) as client, Executor(client) as executor:
        pending = [executor.submit(abs, 0)]
        wait_until(lambda: gateway.count(":batch"), what="the first batch")
        pending += [executor.submit(abs, number) for number in range(MAX_BATCH_ITEMS)]
        all_submitted.set()
        for future in pending:
            assert isinstance(future.exception(30), errors.GatewayUnavailable)
    assert len(tried) == 1


def test_it_is_usable_again_when_the_gateway_is_back(gateway: FakeGateway) -> None:
    with Client(gateway.url, timeout=0.2) as client, Executor(client) as executor:
        assert executor.submit(pow, 2, 5).result(30) == 32
        gateway.fault = Fails("", -1, 503, "down")
        gateway.cut_streams()
        assert isinstance(executor.submit(pow, 2, 6).exception(30), errors.GatewayUnavailable)
        gateway.fault = None
        wait_until(lambda: executor.submit(pow, 2, 7).exception(30) is None, what="working again")


def test_something_that_is_no_gateway_breaks_the_executor_clearly(
    gateway: FakeGateway, executor: Executor, caplog: pytest.LogCaptureFixture
) -> None:
    gateway.held = True
    gateway.fault = Fails("/stream", -1, 404, "Not Found")
    with caplog.at_level(logging.CRITICAL):
        error = executor.submit(pow, 2, 5).exception(30)
        assert isinstance(error, futures.BrokenExecutor)
        assert "Not Found" in str(error)
        with pytest.raises(RuntimeError):
            executor.submit(pow, 2, 5)


def test_a_forgotten_executor_of_its_own_client_closes_it(gateway: FakeGateway) -> None:
    executor = Executor(gateway.url)
    assert executor.submit(pow, 2, 5).result(30) == 32
    http = executor._client.connection.http
    del executor
    gc.collect()
    wait_until(lambda: not http.pools, what="the client's end")
