"""Conversations with a gateway that is played by hand: no network, no waiting."""

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpcsfaas.client import operations
from mpcsfaas.client.errors import GatewayUnavailable, NotFound, PayloadTooLarge, RequestRefused
from mpcsfaas.client.exchange import Request, Response
from mpcsfaas.client.operations import ENTRY_OVERHEAD, MAX_BATCH_BYTES, MAX_BATCH_ITEMS, Operation, size_of
from mpcsfaas.client.payloads import PackedFunction, Payloads
from mpcsfaas.client.records import ItemAnswer
from mpcsfaas.client.session import NewTask, Registry, Session

T = TypeVar("T")
TIMEOUT = 10.0
DOWN = GatewayUnavailable("down")
TASK = NewTask("task-1", PackedFunction("f"), {"payload": b""})


class Play:
    """A gateway's answers in order, and the requests that they were given to. Time passes only by delays."""

    def __init__(self, *answers: Response | GatewayUnavailable) -> None:
        self.answers = list(answers)
        self.requests: list[Request] = []
        self.now = 0.0
        self.session = Session(Registry(Payloads("cloudpickle")), TIMEOUT, clock=lambda: self.now)

    def perform(self, operation: Operation[T]) -> T:
        try:
            request = next(operation)
            while True:
                self.requests.append(request)
                self.now += request.delay
                answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                request = operation.throw(answer) if isinstance(answer, Exception) else operation.send(answer)
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return]

    @property
    def paths(self) -> list[str]:
        return [f"{request.method} {request.path}" for request in self.requests]


def answer(content: Any, status: int = 200) -> Response:
    return Response(status, msgspec.msgpack.encode(content))


def problem(status: int, detail: str = "because", retry_after: float | None = None) -> Response:
    content = msgspec.json.encode({"status": status, "title": "t", "detail": detail})
    return Response(status, content, "application/problem+json", retry_after)


ACCEPTED = answer({"id": "task-1", "state": "QUEUED", "duplicate": False}, 202)


def test_the_same_task_is_sent_until_it_is_accepted() -> None:
    play = Play(DOWN, problem(503), problem(429), ACCEPTED)
    assert play.perform(operations.submit(play.session, TASK)) == "task-1"
    assert len({request.body for request in play.requests}) == 1
    assert [request.delay > 0 for request in play.requests] == [False, True, True, True]


def test_waits_as_long_as_the_gateway_asks_for() -> None:
    play = Play(problem(429, retry_after=3.0), ACCEPTED)
    play.perform(operations.submit(play.session, TASK))
    assert play.now == 3.0


@pytest.mark.parametrize("trouble", [DOWN, problem(503, "storage is gone")])
def test_gives_up_after_the_timeout(trouble: Response | GatewayUnavailable) -> None:
    play = Play(trouble)
    with pytest.raises(GatewayUnavailable, match=r"down|storage is gone"):
        play.perform(operations.submit(play.session, TASK))
    assert play.now == pytest.approx(TIMEOUT)


@pytest.mark.parametrize(
    ("status", "expected"), [(404, NotFound), (413, PayloadTooLarge), (422, RequestRefused), (400, RequestRefused)]
)
def test_final_refusals_are_raised_at_once(status: int, expected: type[Exception]) -> None:
    play = Play(problem(status, "no way"))
    with pytest.raises(expected, match="no way"):
        play.perform(operations.submit(play.session, TASK))
    assert len(play.requests) == 1


@pytest.mark.parametrize("content", [b"<html>", b"", b"\xff\xfe"])
def test_an_answer_of_something_else_is_no_crash(content: bytes) -> None:
    for status in (200, 418):
        play = Play(Response(status, content, "text/html"))
        with pytest.raises(RequestRefused, match=r"mpcsfaas gateway|HTTP 418"):
            play.perform(operations.submit(play.session, TASK))


def test_a_function_is_registered_once() -> None:
    registered = answer({"id": "x", "name": "pow", "serializer": "cloudpickle", "created_at": 1.0}, 201)
    play = Play(registered, ACCEPTED, ACCEPTED)
    for _ in range(2):
        play.perform(operations.submit(play.session, play.session.new_task(pow, (2, 3), {})))
    assert play.paths == ["POST /v1/functions", "POST /v1/tasks", "POST /v1/tasks"]


def test_a_function_that_the_gateway_forgot_is_registered_again() -> None:
    registered = answer({"id": "x", "name": "pow", "serializer": "cloudpickle", "created_at": 1.0}, 201)
    play = Play(registered, problem(404), registered, ACCEPTED)
    play.perform(operations.submit(play.session, play.session.new_task(pow, (2, 3), {})))
    assert play.paths == ["POST /v1/functions", "POST /v1/tasks", "POST /v1/functions", "POST /v1/tasks"]


def test_a_function_known_by_its_id_only_is_not() -> None:
    play = Play(problem(404, "Function with f not found"))
    with pytest.raises(NotFound, match="Function with f"):
        play.perform(operations.submit(play.session, play.session.new_task("f", (), {})))
    assert play.paths == ["POST /v1/tasks"]


def test_what_can_change_is_serialised_anew() -> None:
    """A bound method takes its object along, as it is at that moment."""
    session = Play().session
    numbers = [1]
    first = session.new_task(numbers.count, (1,), {})
    numbers.append(1)
    assert session.new_task(numbers.count, (1,), {}).function != first.function
    assert session.new_task(pow, (), {}).function is session.new_task(pow, (), {}).function


def test_what_cannot_be_called_is_refused() -> None:
    with pytest.raises(TypeError, match="Neither a function nor a function id: 5"):
        Play().session.new_task(5, (), {})  # type: ignore[arg-type]


def test_asks_again_until_a_task_has_ended() -> None:
    pending = answer({"id": "task-1", "state": "RUNNING"}, 202)
    ended = answer({"id": "task-1", "state": "COMPLETED", "serializer": "json", "value": b"5", "failure": None})
    play = Play(pending, pending, ended)
    assert play.perform(operations.result(play.session, "task-1", None)) == 5
    assert len(play.requests) == 3


def test_waiting_for_a_result_has_an_end() -> None:
    play = Play(answer({"id": "task-1", "state": "RUNNING"}, 202))
    with pytest.raises(TimeoutError, match="task-1 has not ended within 0 s"):
        play.perform(operations.result(play.session, "task-1", 0))


def test_a_task_id_cannot_lead_elsewhere() -> None:
    play = Play(problem(404))
    with pytest.raises(NotFound):
        play.perform(operations.status(play.session, "../functions?x"))
    assert play.requests[0].path == "/v1/tasks/..%2Ffunctions%3Fx"


# Batches


def make_tasks(sizes: list[int]) -> list[NewTask]:
    return [NewTask(f"task-{index}", PackedFunction("f"), {"payload": b"x" * size}) for index, size in enumerate(sizes)]


@settings(deadline=None, max_examples=50)
@given(st.lists(st.sampled_from([0, 1, MAX_BATCH_BYTES // 3, MAX_BATCH_BYTES - ENTRY_OVERHEAD, MAX_BATCH_BYTES])))
def test_batches_keep_order_and_limits(sizes: list[int]) -> None:
    tasks = make_tasks(sizes)
    batches = [list(batch) for batch in operations.batches(tasks)]
    assert [task for batch in batches for task in batch] == tasks
    for batch in batches:
        assert 1 <= len(batch) <= MAX_BATCH_ITEMS
        assert len(batch) == 1 or sum(map(size_of, batch)) <= MAX_BATCH_BYTES


def test_batches_are_full() -> None:
    tasks = make_tasks([0] * (2 * MAX_BATCH_ITEMS + 1))
    assert [len(batch) for batch in operations.batches(tasks)] == [MAX_BATCH_ITEMS, MAX_BATCH_ITEMS, 1]


def batch_answers(limit: int) -> Callable[[Request], Response]:
    """A gateway whose body limit is `limit` tasks."""

    def respond(request: Request) -> Response:
        items = msgspec.msgpack.decode(request.body or b"")["tasks"]
        if len(items) > limit:
            return problem(413)
        return answer({"results": [{"id": item["id"], "state": "QUEUED", "duplicate": False} for item in items]})

    return respond


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 40), st.integers(1, 10))
def test_a_batch_that_is_too_large_goes_in_parts(count: int, limit: int) -> None:
    tasks = [NewTask(str(number), PackedFunction("f"), {"id": str(number), "payload": b""}) for number in range(count)]
    respond = batch_answers(limit)
    operation = operations.submit_batch(Play().session, tasks)
    try:
        request = next(operation)
        while True:
            request = operation.send(respond(request))
    except StopIteration as stop:
        verdicts = stop.value
    assert [verdict.id for verdict in verdicts] == [task.id for task in tasks]


def test_a_single_task_that_is_too_large_is_refused() -> None:
    play = Play(problem(413, "over 64 MiB"))
    (verdict,) = play.perform(operations.submit_batch(play.session, [TASK]))
    assert isinstance(verdict, PayloadTooLarge)


def test_each_refusal_in_a_batch_has_its_reason() -> None:
    refused = {"error": {"status": 422, "title": "t", "detail": "bad labels"}}
    play = Play(answer({"results": [{"id": "a", "state": "QUEUED", "duplicate": False}, refused]}))
    first, second = play.perform(operations.submit_batch(play.session, make_tasks([0, 0])))
    assert isinstance(first, ItemAnswer)
    assert isinstance(second, RequestRefused)
    with pytest.raises(RequestRefused, match="bad labels"):
        operations.accepted_id(second)
