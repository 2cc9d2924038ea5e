"""Submitting, describing, listing and cancelling tasks."""

import base64
import uuid
from typing import Any

import dill
import httpx
import msgspec
import pytest

from mpcsfaas.gateway.context import Gateway
from mpcsfaas.gateway.schemas import TaskRequest
from mpcsfaas.gateway.settings import GatewaySettings
from mpcsfaas.gateway.submission import build_task
from mpcsfaas.interfaces import Serializer
from mpcsfaas.interfaces.storage import StorageOptions
from mpcsfaas.model import TaskOptions
from mpcsfaas.testing.gateway import HandDispatcher
from mpcsfaas_storage_memory import MemoryStorage

MSGPACK = "application/x-msgpack"
CALL = dill.dumps(((1, 2), {}))
OPTIONS: dict[str, Any] = {
    "max_retries": 2,
    "retry_delay": 0.5,
    "max_redeliveries": 1,
    "timeout": 30,
    "deadline": 60.0,
    "priority": -5,
    "delay": 0,
    "idempotency_key": "once",
    "ttl": 100.0,
    "group": "a/b c",
    "labels": ["gpu", "big"],
}


def packed(body: Any) -> dict[str, Any]:
    return {"content": msgspec.msgpack.encode(body), "headers": {"Content-Type": MSGPACK}}


def test_plain_arguments_reach_the_worker_as_json(
    api: httpx.Client, dispatcher: HandDispatcher, function_id: str
) -> None:
    answer = api.post("/v1/tasks", json={"function_id": function_id, "args": [1, 2**70, "é"], "kwargs": {"k": None}})
    assert answer.status_code == 202
    task_id = answer.json()["id"]
    assert answer.json() == {"id": task_id, "state": "QUEUED", "duplicate": False}
    assert answer.headers["Location"] == f"/v1/tasks/{task_id}"
    (attempt,) = dispatcher.claim()
    assert (attempt.task.id, attempt.task.serializer) == (task_id, "json")
    assert msgspec.json.decode(attempt.task.payload) == [[1, 2**70, "é"], {"k": None}]


def test_a_task_without_arguments_is_a_call_without_arguments(
    api: httpx.Client, dispatcher: HandDispatcher, function_id: str
) -> None:
    assert api.post("/v1/tasks", json={"function_id": function_id.upper()}).status_code == 202
    (attempt,) = dispatcher.claim()
    assert attempt.task.function_id == function_id
    assert msgspec.json.decode(attempt.task.payload) == [[], {}]


def test_serialised_arguments_are_handed_on_as_they_are(
    api: httpx.Client, dispatcher: HandDispatcher, function_id: str
) -> None:
    text = base64.b64encode(CALL).decode()
    api.post("/v1/tasks", json={"function_id": function_id, "payload": text})
    api.post("/v1/tasks", **packed({"function_id": function_id, "payload": CALL, "serializer": "dill"}))
    api.post("/v1/tasks", **packed({"function_id": function_id, "payload": b"\x92\x90\x80", "serializer": "msgpack"}))
    tasks = [attempt.task for attempt in dispatcher.claim()]
    assert [(task.serializer, task.payload) for task in tasks] == [
        ("dill", CALL),
        ("dill", CALL),
        ("msgpack", b"\x92\x90\x80"),
    ]


def test_every_option_reaches_the_storage_and_the_record(
    api: httpx.Client, dispatcher: HandDispatcher, function_id: str
) -> None:
    task_id = str(uuid.uuid4())
    answer = api.post("/v1/tasks", json={"function_id": function_id, "task_id": task_id, "args": [], **OPTIONS})
    assert answer.json()["id"] == task_id
    (attempt,) = dispatcher.claim_with({"gpu", "big"})
    assert attempt.task.options == TaskOptions(**{**OPTIONS, "labels": ("gpu", "big")})
    record = api.get(f"/v1/tasks/{task_id}").json()
    assert record["options"] == OPTIONS
    assert record.keys() == {
        "id", "function_id", "serializer", "state", "created_at", "finished_at", "attempt", "failures", "losses",
        "failure", "options", "history", "expired", "retry_of",
    }  # fmt: skip
    assert (record["state"], record["attempt"], record["finished_at"]) == ("RUNNING", 1, None)


def test_the_record_of_an_ended_task_has_its_history(
    api: httpx.Client, dispatcher: HandDispatcher, function_id: str
) -> None:
    task_id = api.post("/v1/tasks", json={"function_id": function_id}).json()["id"]
    dispatcher.complete(dispatcher.claim(), b"1")
    record = api.get(f"/v1/tasks/{task_id}").json()
    assert record["state"] == "COMPLETED"
    assert record["finished_at"] >= record["created_at"]
    (attempt,) = record["history"]
    assert (attempt["number"], attempt["worker"], attempt["failure"]) == (1, "by-hand", None)
    assert api.get(f"/v1/tasks/{task_id}/logs").json() == {"id": task_id, "stdout": "out\n", "stderr": "err\n"}


def test_a_repeated_task_id_is_a_duplicate_with_its_present_state(
    api: httpx.Client, dispatcher: HandDispatcher, function_id: str
) -> None:
    body = {"function_id": function_id, "task_id": str(uuid.uuid4())}
    assert api.post("/v1/tasks", json=body).json()["duplicate"] is False
    dispatcher.complete(dispatcher.claim(), b"1")
    answer = api.post("/v1/tasks", json=body)
    assert answer.status_code == 202
    assert answer.json() == {"id": body["task_id"], "state": "COMPLETED", "duplicate": True}
    assert dispatcher.claim() == []


def test_a_repeated_idempotency_key_names_the_first_task(api: httpx.Client, function_id: str) -> None:
    body = {"function_id": function_id, "idempotency_key": str(uuid.uuid4())}
    first = api.post("/v1/tasks", json=body).json()
    assert api.post("/v1/tasks", json=body).json() == {"id": first["id"], "state": "QUEUED", "duplicate": True}


def test_a_batch_refuses_bad_items_by_themselves(
    api: httpx.Client, dispatcher: HandDispatcher, function_id: str
) -> None:
    unknown, known = str(uuid.uuid4()), str(uuid.uuid4())
    items: list[Any] = [
        {"function_id": function_id, "payload": CALL, "task_id": known},
        {"function_id": unknown, "payload": CALL},
        {"function_id": function_id, "payload": b"no pickle"},
        {"function_id": function_id, "payload": CALL, "serializer": "nosuch"},
        {"function_id": function_id, "payload": CALL, "timeout": -1},
        {"function_id": function_id, "payload": b"\x80" + bytes(100_000) + b"."},
        {"function_id": function_id, "payload": CALL, "args": []},
        {"function_id": function_id, "args": [msgspec.msgpack.Ext(1, b"")]},
        "nonsense",
        {"function_id": function_id, "payload": CALL, "task_id": known},
        {"function_id": function_id, "args": [1]},
    ]
    answer = api.post("/v1/tasks:batch", **packed({"tasks": items}))
    assert answer.status_code == 200
    results = answer.json()["results"]
    statuses = [result.get("error", {}).get("status") for result in results]
    assert statuses == [None, 404, 400, 400, 422, 413, 422, 400, 422, None, None]
    assert [result["duplicate"] for result in results if "id" in result] == [False, True, False]
    assert results[1]["error"]["detail"] == f"Function with {unknown} not found"
    assert results[4]["error"]["errors"][0]["loc"] == ["body", "timeout"]
    assert len(dispatcher.claim()) == 2


def test_a_batch_may_be_json_and_may_be_empty(api: httpx.Client, function_id: str) -> None:
    body = {"tasks": [{"function_id": function_id, "payload": base64.b64encode(CALL).decode()}]}
    (result,) = api.post("/v1/tasks:batch", json=body).json()["results"]
    assert result["state"] == "QUEUED"
    assert api.post("/v1/tasks:batch", json={"tasks": []}).json() == {"results": []}


@pytest.mark.parametrize(("size", "status"), [(9_999, 200), (10_000, 200), (10_001, 422)])
def test_a_batch_has_a_limit(api: httpx.Client, size: int, status: int) -> None:
    assert api.post("/v1/tasks:batch", json={"tasks": [1] * size}).status_code == status


def test_listing_filters_and_goes_through_all_pages(
    api: httpx.Client, dispatcher: HandDispatcher, function_id: str
) -> None:
    group = str(uuid.uuid4())
    ids = [api.post("/v1/tasks", json={"function_id": function_id, "group": group}).json()["id"] for _ in range(5)]
    dispatcher.complete(dispatcher.claim(2), b"1")
    seen, cursor = [], None
    while True:
        query: dict[str, Any] = {"group": group, "limit": 2, **({"cursor": cursor} if cursor else {})}
        page = api.get("/v1/tasks", params=query).json()
        seen += [item["id"] for item in page["items"]]
        cursor = page["cursor"]
        if cursor is None:
            break
    assert seen == ids[::-1]
    for state, count in (("COMPLETED", 2), ("QUEUED", 3), ("FAILED", 0)):
        criteria = {"group": group, "state": state, "function": function_id}
        assert len(api.get("/v1/tasks", params=criteria).json()["items"]) == count


@pytest.mark.parametrize(
    ("name", "value"),
    [("state", "DONE"), ("function", "f"), ("group", ""), ("limit", "0"), ("limit", "1001"), ("cursor", "nonsense")],
)
def test_a_bad_filter_is_a_422_that_names_it(api: httpx.Client, name: str, value: str) -> None:
    answer = api.get("/v1/tasks", params={name: value})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["loc"] == ["query", name]


def test_cancelling_one_and_many(api: httpx.Client, dispatcher: HandDispatcher, function_id: str) -> None:
    queued, ended, other = [api.post("/v1/tasks", json={"function_id": function_id}).json()["id"] for _ in range(3)]
    by_id = {attempt.task.id: attempt for attempt in dispatcher.claim()}
    dispatcher.complete([by_id[ended]], b"1")
    assert api.delete(f"/v1/tasks/{queued}").json() == {"id": queued, "state": "CANCELLED"}
    assert api.delete(f"/v1/tasks/{ended}").json() == {"id": ended, "state": "COMPLETED"}
    unknown = str(uuid.uuid4())
    assert api.delete(f"/v1/tasks/{unknown}").status_code == 404
    assert api.post("/v1/tasks:cancel", json={"ids": [other, unknown, ended]}).json()["results"] == [
        {"id": other, "state": "CANCELLED"},
        {"id": unknown, "state": None},
        {"id": ended, "state": "COMPLETED"},
    ]


def test_the_default_deadline_is_that_of_the_settings(serializers: list[Serializer]) -> None:
    storage = MemoryStorage("memory://", StorageOptions())
    gateway = Gateway.build(storage, serializers, GatewaySettings(default_deadline=7))
    assert build_task(gateway, TaskRequest(uuid.uuid4())).options.deadline == 7
    assert build_task(gateway, TaskRequest(uuid.uuid4(), deadline=3.0)).options.deadline == 3
