"""Doing failed tasks again: new tasks, one for each, linked to the old ones, which stay as they were."""

import base64
import uuid
from typing import Any

import dill
import httpx
import pytest

from mpcsfaas.model import Attempt, Failure, FailureKind, retry_id
from mpcsfaas.testing.gateway import GatewayThread, HandDispatcher
from mpcsfaas.testing.platform import wait_until

FAILURE = Failure(FailureKind.EXCEPTION, "no", type="ValueError")
UNKNOWN = str(uuid.uuid4())


@pytest.fixture
def fail(api: httpx.Client, dispatcher: HandDispatcher, function_id: str) -> Any:
    """Submits a task that fails; its id."""

    def submit_and_fail(**options: Any) -> str:
        body = {"function_id": function_id, "args": [1, 2], **options}
        task_id: str = api.post("/v1/tasks", json=body).json()["id"]
        dispatcher.fail(dispatcher.claim_with(set(options.get("labels", ()))), FAILURE)
        return task_id

    return submit_and_fail


def retry(api: httpx.Client, task_id: str) -> Any:
    """What became of it: an accepted task, or a problem."""
    answer = api.post("/v1/tasks:retry", json={"ids": [task_id]})
    assert answer.status_code == 200
    (result,) = answer.json()["results"]
    return result.get("error", result)


def test_a_retry_is_a_new_task_with_the_same_call_and_options(
    api: httpx.Client, dispatcher: HandDispatcher, fail: Any
) -> None:
    old_id = fail(max_retries=0, priority=7, group="g", labels=["x"], timeout=3, idempotency_key="once")
    before = api.get(f"/v1/tasks/{old_id}").json()
    new_id = retry_id(old_id)
    assert retry(api, old_id) == {"id": new_id, "state": "QUEUED", "duplicate": False}
    (attempt,) = dispatcher.claim_with({"x"})
    assert (attempt.task.id, attempt.number, attempt.task.serializer) == (new_id, 1, "json")
    assert attempt.task.payload == b"[[1,2],{}]"
    dispatcher.complete([attempt], b"3")
    record = api.get(f"/v1/tasks/{new_id}").json()
    assert (record["state"], record["retry_of"], len(record["history"])) == ("COMPLETED", old_id, 1)
    assert record["options"] == {**before["options"], "idempotency_key": None}
    assert api.get(f"/v1/tasks/{old_id}").json() == before
    assert (before["state"], before["retry_of"], before["history"][0]["failure"]["message"]) == ("FAILED", None, "no")


def test_the_delay_of_a_retry_is_over(
    api: httpx.Client, gateway: GatewayThread, dispatcher: HandDispatcher, function_id: str
) -> None:
    task_id = api.post("/v1/tasks", json={"function_id": function_id, "delay": 3600, "deadline": 0.001}).json()["id"]
    overdue: list[Attempt] = []

    def claim() -> bool:
        overdue.extend(gateway.run(gateway.storage.claim_overdue("by-hand", 10, 60.0)))
        return bool(overdue)

    wait_until(claim)
    dispatcher.fail(overdue, FAILURE)
    again = retry(api, task_id)["id"]
    assert [attempt.task.id for attempt in dispatcher.claim()] == [again]


def test_asking_twice_is_harmless(api: httpx.Client, dispatcher: HandDispatcher, fail: Any) -> None:
    old_id = fail()
    first, second = retry(api, old_id), retry(api, old_id)
    assert second == {**first, "duplicate": True}
    dispatcher.complete(dispatcher.claim(), b"1")
    assert retry(api, old_id) == {"id": first["id"], "state": "COMPLETED", "duplicate": True}


def test_a_retry_that_fails_can_be_retried(api: httpx.Client, dispatcher: HandDispatcher, fail: Any) -> None:
    ids = [fail()]
    for _ in range(2):
        ids.append(retry(api, ids[-1])["id"])
        dispatcher.fail(dispatcher.claim(), FAILURE)
    records = [api.get(f"/v1/tasks/{task_id}").json() for task_id in ids]
    assert [record["retry_of"] for record in records] == [None, *ids[:2]]
    assert len(set(ids)) == 3


def test_what_cannot_be_retried_is_refused_with_the_reason(
    api: httpx.Client, gateway: GatewayThread, dispatcher: HandDispatcher, function_id: str, fail: Any
) -> None:
    queued = api.post("/v1/tasks", json={"function_id": function_id}).json()["id"]
    assert (retry(api, queued)["status"], retry(api, queued)["type"][21:]) == (409, "not-failed")
    assert f"Task {queued} is QUEUED" in retry(api, queued)["detail"]
    dispatcher.claim()
    assert "is RUNNING" in retry(api, queued)["detail"]
    assert api.delete(f"/v1/tasks/{queued}").status_code == 200
    assert "is CANCELLED" in retry(api, queued)["detail"]
    expired = fail(ttl=0)
    gateway.run(gateway.storage.expire())
    assert (retry(api, expired)["status"], retry(api, expired)["type"][21:]) == (410, "arguments-gone")
    assert retry(api, UNKNOWN)["type"] == "urn:mpcsfaas:problem:unknown-task"
    assert api.post("/v1/tasks:retry", json={"ids": ["nonsense"]}).status_code == 422


def test_many_at_once_are_each_judged_by_itself(api: httpx.Client, dispatcher: HandDispatcher, fail: Any) -> None:
    failed = [fail() for _ in range(3)]
    ids = [failed[0], UNKNOWN, failed[1], failed[0], *failed] * 30
    answer = api.post("/v1/tasks:retry", json={"ids": ids})
    assert answer.status_code == 200
    results = answer.json()["results"]
    assert [result.get("id") for result in results[:4]] == [
        retry_id(failed[0]), None, retry_id(failed[1]), retry_id(failed[0])
    ]  # fmt: skip
    assert results[1]["error"]["status"] == 404
    assert sum(not result["duplicate"] for result in results if "id" in result) == 3
    assert len(dispatcher.claim()) == 3


def test_a_function_that_was_deleted_since_is_told(api: httpx.Client, dispatcher: HandDispatcher) -> None:
    body = {"name": "deleted", "payload": base64.b64encode(dill.dumps(abs)).decode()}
    function_id = api.post("/v1/functions", json=body).json()["id"]
    task_id = api.post("/v1/tasks", json={"function_id": function_id}).json()["id"]
    dispatcher.fail(dispatcher.claim(), FAILURE)
    api.delete(f"/v1/functions/{function_id}")
    assert retry(api, task_id)["detail"] == f"Function with {function_id} not found"
