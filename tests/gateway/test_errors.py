"""The error table of docs/rest.md, row by row."""

import asyncio
import base64
import logging
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

import dill
import httpx
import msgspec
import pytest

from mpcsfaas.errors import StorageUnavailable
from mpcsfaas.gateway.settings import GatewaySettings
from mpcsfaas.interfaces import Serializer
from mpcsfaas.interfaces.storage import Enqueued, StorageOptions
from mpcsfaas.model import DispatcherInfo, Task, TaskResult
from mpcsfaas.testing.gateway import GatewayThread
from mpcsfaas.testing.platform import wait_until
from mpcsfaas_storage_memory import MemoryStorage

JSON = {"Content-Type": "application/json"}
MSGPACK = {"Content-Type": "application/x-msgpack"}
WRITES = [
    "/v1/functions",
    "/v1/tasks",
    "/v1/tasks:batch",
    "/v1/tasks:cancel",
    "/v1/tasks:retry",
    "/v1/tasks:results",
    "/register_function",
    "/execute_function",
]
PAYLOAD = base64.b64encode(dill.dumps(print)).decode()


def check_problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert problem.keys() - {"errors"} == {"type", "title", "status", "detail"}
    assert problem["status"] == status
    assert problem["detail"]
    assert ("errors" in problem) == (status == 422)
    for error in problem.get("errors", ()):
        assert error.keys() == {"loc", "msg"}
    return problem


MALFORMED = {
    "application/json": [
        b"", b" ", b"{", b"{'name': 1}", b"\x00", b"\xef\xbb\xbf{}", "{}".encode("utf-16"),
        b'{"name": NaN}', b'{"name": "\xff"}', b'{"name": "\\ud800"}', b'{"name": "f"',
    ],
    "application/x-msgpack": [
        b"", b"\xc1", b"\x81", b"\xdf\xff\xff\xff\xff",
        b"\x81\xa4name\xa1\xff", b"\x81\xa4name\xdb\xff\xff\xff\xff",
    ],
}  # fmt: skip


@pytest.mark.parametrize("content_type", MALFORMED)
def test_400_a_body_that_cannot_be_read(api: httpx.Client, content_type: str) -> None:
    for body in MALFORMED[content_type]:
        problem = check_problem(api.post("/v1/functions", content=body, headers={"Content-Type": content_type}), 400)
        assert problem["type"] == "urn:mpcsfaas:problem:malformed-body"


@pytest.mark.parametrize("path", WRITES)
def test_400_an_empty_or_broken_body_everywhere(api: httpx.Client, path: str) -> None:
    for body in (b"", b"{", b"\x00", b"garbage"):
        check_problem(api.post(path, content=body, headers=JSON), 400)


@pytest.mark.parametrize("field", ["args", "kwargs", "tasks"])
def test_400_deep_nesting_wherever_it_is(api: httpx.Client, function_id: str, field: str) -> None:
    path = "/v1/tasks:batch" if field == "tasks" else "/v1/tasks"
    start = b'{"%b":' % field.encode() + (b'{"x":' if field == "kwargs" else b"")
    check_problem(api.post(path, content=start + b"[" * 90_000 + b"]" * 90_000, headers=JSON), 400)
    start = msgspec.msgpack.encode({field: {"x": 0} if field == "kwargs" else 0})[:-1]
    check_problem(api.post(path, content=start + b"\x91" * 90_000 + b"\xc0", headers=MSGPACK), 400)


@pytest.mark.parametrize(
    "fields",
    [
        {"payload": "no base64"},
        {"payload": PAYLOAD[:-1]},
        {"payload": PAYLOAD.replace("=", "") + "\n"},
        {"payload": "gAJLAy4-_w=="},
        {"payload": base64.b64encode(b"no pickle").decode()},
        {"payload": ""},
        {"payload": PAYLOAD, "serializer": "nosuch"},
    ],
)
def test_400_a_payload_that_its_serializer_did_not_write(
    api: httpx.Client, function_id: str, fields: dict[str, Any]
) -> None:
    check_problem(api.post("/v1/functions", json={"name": "f", **fields}), 400)
    check_problem(api.post("/v1/tasks", json={"function_id": function_id, **fields}), 400)


def test_404_unknown_things_and_unknown_paths(api: httpx.Client) -> None:
    unknown = str(uuid.uuid4())
    assert unknown in check_problem(api.post("/v1/tasks", json={"function_id": unknown}), 404)["detail"]
    assert unknown in check_problem(api.get(f"/v1/tasks/{unknown}"), 404)["detail"]
    for path in ("/nowhere", "/v1/tasks/", "/v1/tasks:nosuch", "/v1/functions/"):
        check_problem(api.get(path), 404)


@pytest.mark.parametrize(
    ("path", "allowed"), [("/v1/tasks", "GET, POST"), ("/v1/functions/x", "DELETE, GET"), ("/healthz", "GET")]
)
def test_405_says_what_is_allowed(api: httpx.Client, path: str, allowed: str) -> None:
    answer = api.patch(path, json={})
    check_problem(answer, 405)
    assert answer.headers["Allow"] == allowed


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
@pytest.mark.parametrize("path", WRITES)
def test_415_writes_that_any_web_page_could_send(api: httpx.Client, path: str, content_type: str) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    check_problem(api.post(path, content=b"{}", headers=headers), 415)


def test_a_content_type_may_have_parameters(api: httpx.Client, function_id: str) -> None:
    body = msgspec.json.encode({"function_id": function_id})
    headers = {"Content-Type": "Application/JSON; charset=utf-8"}
    assert api.post("/v1/tasks", content=body, headers=headers).status_code == 202


@pytest.mark.parametrize(
    ("fields", "location"),
    [
        ({"function_id": None}, "function_id"),
        ({"function_id": "x"}, "function_id"),
        ({"function_id": "{}"}, "function_id"),
        ({"args": {}}, "args"),
        ({"kwargs": []}, "kwargs"),
        ({"payload": 1}, "payload"),
        ({"args": [], "payload": PAYLOAD}, "payload"),
        ({"serializer": "dill"}, "payload"),
        ({"task_id": 1}, "task_id"),
        ({"max_retries": -1}, "max_retries"),
        ({"max_retries": 1.5}, "max_retries"),
        ({"max_retries": True}, "max_retries"),
        ({"max_retries": 10**30}, "max_retries"),
        ({"max_redeliveries": "3"}, "max_redeliveries"),
        ({"timeout": 0}, "timeout"),
        ({"timeout": "soon"}, "timeout"),
        ({"deadline": -1}, "deadline"),
        ({"delay": -0.1}, "delay"),
        ({"delay": 1e300}, "delay"),
        ({"priority": 2**31}, "priority"),
        ({"idempotency_key": ""}, "idempotency_key"),
        ({"group": ""}, "group"),
        ({"group": "x" * 256}, "group"),
        ({"labels": "gpu"}, "labels"),
        ({"labels": [1]}, "labels.0"),
        ({"labels": ["x"] * 65}, "labels"),
        ({"ttl": -1}, "ttl"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_422_a_field_that_does_not_fit(
    api: httpx.Client, function_id: str, fields: dict[str, Any], location: str
) -> None:
    problem = check_problem(api.post("/v1/tasks", json={"function_id": function_id, **fields}), 422)
    (error,) = problem["errors"]
    assert ".".join(map(str, error["loc"])) == f"body.{location}"
    assert error["msg"] in problem["detail"]


@pytest.mark.parametrize("body", [b"null", b"[]", b"1", b'"x"', b"{}"])
@pytest.mark.parametrize("path", WRITES)
def test_422_a_body_of_another_shape(api: httpx.Client, path: str, body: bytes) -> None:
    problem = check_problem(api.post(path, content=body, headers=JSON), 422)
    assert problem["errors"][0]["loc"][0] == "body"


def test_numbers_that_msgpack_has_and_json_has_not(api: httpx.Client, function_id: str) -> None:
    def submit(fields: dict[str, Any]) -> httpx.Response:
        body = msgspec.msgpack.encode({"function_id": function_id, **fields})
        return api.post("/v1/tasks", content=body, headers=MSGPACK)

    for value in (float("nan"), float("inf"), float("-inf")):
        check_problem(submit({"timeout": value}), 422)
        check_problem(submit({"delay": value}), 422)
        check_problem(submit({"args": [value]}), 400)


class Troubled(MemoryStorage):
    """Fails as it is told to."""

    trouble: Exception | None = None

    def _fail(self) -> None:
        if self.trouble is not None:
            raise self.trouble

    async def enqueue(self, tasks: Sequence[Task]) -> list[Enqueued]:
        self._fail()
        return await super().enqueue(tasks)

    async def get_results(self, task_ids: Sequence[str]) -> list[TaskResult | None]:
        self._fail()
        return await super().get_results(task_ids)

    async def latest_completion(self) -> int:
        self._fail()
        return await super().latest_completion()

    async def dispatchers(self) -> list[DispatcherInfo]:
        self._fail()
        return await super().dispatchers()


@pytest.fixture
def troubled(settings: GatewaySettings, serializers: list[Serializer]) -> Iterator[tuple[Troubled, httpx.Client]]:
    storage = Troubled("memory://", StorageOptions(max_unfinished=3))
    with (
        GatewayThread(storage, serializers, settings) as gateway,
        httpx.Client(base_url=gateway.url, timeout=30) as api,
    ):
        yield storage, api


def register(api: httpx.Client) -> str:
    return str(api.post("/v1/functions", json={"name": "f", "payload": PAYLOAD}).json()["id"])


def test_429_the_queue_is_full(troubled: tuple[Troubled, httpx.Client]) -> None:
    _, api = troubled
    task = {"function_id": register(api)}
    for _ in range(3):
        assert api.post("/v1/tasks", json=task).status_code == 202
    classic = {"function_id": task["function_id"], "payload": base64.b64encode(dill.dumps(((), {}))).decode()}
    for path, body in (("/v1/tasks", task), ("/v1/tasks:batch", {"tasks": [task]}), ("/execute_function", classic)):
        answer = api.post(path, json=body)
        check_problem(answer, 429)
        assert int(answer.headers["Retry-After"]) >= 1


def test_503_the_storage_is_unavailable(troubled: tuple[Troubled, httpx.Client]) -> None:
    storage, api = troubled
    task = {"function_id": register(api)}
    task_id = api.post("/v1/tasks", json=task).json()["id"]
    storage.trouble = StorageUnavailable("the disk is full.")
    answers = [
        api.post("/v1/tasks", json=task),
        api.post("/v1/tasks:batch", json={"tasks": [task]}),
        api.get(f"/v1/tasks/{task_id}/result"),
        api.get(f"/v1/tasks/{task_id}/result?wait=9"),
        api.get(f"/result/{task_id}"),
        api.get("/v1/groups/g/stream"),
        api.get("/readyz"),
    ]
    for answer in answers:
        assert "the disk is full" in check_problem(answer, 503)["detail"]
        assert int(answer.headers["Retry-After"]) >= 1
    assert api.get("/healthz").status_code == 200
    storage.trouble = None
    assert api.post("/v1/tasks", json=task).status_code == 202


def test_an_accepted_task_is_said_to_be_accepted_though_waiting_for_it_fails(
    troubled: tuple[Troubled, httpx.Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    storage, api = troubled

    async def get_results(task_ids: Sequence[str]) -> list[TaskResult | None]:
        raise StorageUnavailable("now")

    monkeypatch.setattr(storage, "get_results", get_results)
    answer = api.post("/v1/tasks?wait=0.05", json={"function_id": register(api)})
    assert answer.status_code == 202


def test_a_task_is_refused_before_it_is_accepted_if_nobody_can_wait_for_it(
    troubled: tuple[Troubled, httpx.Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    storage, api = troubled

    async def latest_completion() -> int:
        raise StorageUnavailable("now")

    task = {"function_id": register(api), "task_id": str(uuid.uuid4())}
    monkeypatch.setattr(storage, "latest_completion", latest_completion)
    check_problem(api.post("/v1/tasks?wait=9", json=task), 503)
    assert api.get(f"/v1/tasks/{task['task_id']}").status_code == 404


def test_500_tells_the_client_an_id_and_the_log_the_rest(
    troubled: tuple[Troubled, httpx.Client], caplog: pytest.LogCaptureFixture
) -> None:
    storage, api = troubled
    task = {"function_id": register(api)}
    storage.trouble = ZeroDivisionError("secret")
    with caplog.at_level(logging.ERROR, logger="mpcsfaas.gateway"):
        problem = check_problem(api.post("/v1/tasks", json=task), 500)
    assert "secret" not in str(problem)
    (record,) = caplog.records
    incident = problem["detail"].rpartition(" ")[2].rstrip(".")
    assert incident in record.getMessage()
    assert record.exc_info is not None
    assert record.exc_info[1] is storage.trouble


def test_errors_of_merged_submits_reach_only_their_causes(troubled: tuple[Troubled, httpx.Client]) -> None:
    """Ten at once, while three fit: three are accepted, seven refused."""
    _, api = troubled
    task = {"function_id": register(api)}

    async def submit_ten() -> list[int]:
        async with httpx.AsyncClient(base_url=api.base_url, timeout=30) as client:
            answers = await asyncio.gather(*(client.post("/v1/tasks", json=task) for _ in range(10)))
            return [answer.status_code for answer in answers]

    assert sorted(asyncio.run(submit_ten())) == [202] * 3 + [429] * 7


def test_503_while_shutting_down(gateway: GatewayThread, api: httpx.Client, function_id: str) -> None:
    task_id = api.post("/v1/tasks", json={"function_id": function_id}).json()["id"]
    hub = gateway.app.state.gateway.hub
    hub.closed = True
    try:
        waits = [api.get(path) for path in ("/v1/groups/g/stream", f"/v1/tasks/{task_id}/result?wait=5")]
        for answer in [*waits, api.post("/v1/tasks?wait=5", json={"function_id": function_id})]:
            assert check_problem(answer, 503)["type"] == "urn:mpcsfaas:problem:shutting-down"
            assert int(answer.headers["Retry-After"]) >= 1
        assert api.post("/v1/tasks", json={"function_id": function_id}).status_code == 202
    finally:
        hub.closed = False
    wait_until(lambda: gateway.audience == 0, what="nobody being remembered")
