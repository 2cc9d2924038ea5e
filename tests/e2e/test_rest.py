"""`/v1`, spoken by a client that has nothing of ours."""

import base64
import json
import uuid
from collections.abc import Iterator
from typing import Any

import dill
import httpx
import msgspec
import pytest

from mpcsfaas.testing.deployment import Deployment
from mpcsfaas.testing.platform import wait_until

MSGPACK = {"Content-Type": "application/x-msgpack", "Accept": "application/x-msgpack"}
WAIT = {"wait": "30"}


@pytest.fixture
def api(platform: Deployment) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=platform.url, timeout=60) as api:
        yield api


def payload(value: Any) -> str:
    return base64.b64encode(dill.dumps(value, recurse=True)).decode()


def register(api: httpx.Client, function: Any, name: str = "function") -> str:
    answer = api.post("/v1/functions", json={"name": name, "payload": payload(function), "serializer": "dill"})
    assert answer.status_code in (200, 201), answer.text
    return str(answer.json()["id"])


@pytest.fixture
def add(api: httpx.Client) -> str:
    return register(api, lambda x, y=0: x + y)


def test_it_is_healthy_and_ready(api: httpx.Client) -> None:
    assert api.get("/healthz").json() == {"status": "ok"}
    assert api.get("/readyz").json() == {"status": "ready", "dispatchers": 1}


def test_a_function_is_registered_shown_and_deleted(api: httpx.Client) -> None:
    function_id = register(api, lambda: "deleted", "short-lived")
    assert api.get(f"/v1/functions/{function_id}").json()["name"] == "short-lived"
    assert function_id in [item["id"] for item in api.get("/v1/functions").json()["items"]]
    assert api.delete(f"/v1/functions/{function_id}").status_code == 204
    assert api.post("/v1/tasks", json={"function_id": function_id}).status_code == 404


def test_plain_json_in_and_out(api: httpx.Client, add: str) -> None:
    answer = api.post("/v1/tasks", params=WAIT, json={"function_id": add, "args": [20], "kwargs": {"y": 22}})
    assert answer.status_code == 200
    assert (answer.json()["state"], answer.json()["value"]) == ("COMPLETED", 42)


def test_a_serialised_payload_in_and_out(api: httpx.Client, add: str) -> None:
    answer = api.post("/v1/tasks", json={"function_id": add, "payload": payload(((2j,), {})), "serializer": "dill"})
    assert answer.status_code == 202
    result = api.get(f"{answer.headers['Location']}/result", params=WAIT)
    assert result.status_code == 200
    assert dill.loads(base64.b64decode(result.json()["value"])) == 2j


def test_msgpack_in_and_out(api: httpx.Client, add: str) -> None:
    task = {"function_id": add, "payload": dill.dumps((("a", "b"), {})), "serializer": "dill"}
    answer = api.post("/v1/tasks", params=WAIT, content=msgspec.msgpack.encode(task), headers=MSGPACK)
    assert answer.status_code == 200
    assert dill.loads(msgspec.msgpack.decode(answer.content)["value"]) == "ab"


def test_a_batch_is_answered_item_by_item(api: httpx.Client, add: str) -> None:
    tasks = [{"function_id": add, "args": [number]} for number in range(50)]
    unknown = {"function_id": str(uuid.uuid4()), "args": [1]}
    answer = api.post("/v1/tasks:batch", json={"tasks": [*tasks, unknown]})
    assert answer.status_code == 200
    *accepted, refused = answer.json()["results"]
    assert refused["error"]["type"] == "urn:mpcsfaas:problem:unknown-function"
    values = [api.get(f"/v1/tasks/{item['id']}/result", params=WAIT).json()["value"] for item in accepted]
    assert values == list(range(50))


def test_a_group_is_streamed_and_the_stream_resumed(api: httpx.Client, add: str) -> None:
    group = uuid.uuid4().hex
    tasks = [{"function_id": add, "args": [number], "group": group} for number in range(30)]
    assert api.post("/v1/tasks:batch", json={"tasks": tasks}).status_code == 200
    results = streamed(api, group, 30)
    assert sorted(result["value"] for result in results) == list(range(30))
    tenth = results[9]["sequence"]
    assert streamed(api, group, 20, after=tenth) == results[10:]


def streamed(api: httpx.Client, group: str, count: int, after: int = 0) -> list[dict[str, Any]]:
    """The first `count` results of a group's stream of server-sent events."""
    results: list[dict[str, Any]] = []
    with api.stream("GET", f"/v1/groups/{group}/stream", params={"after": after}) as stream:
        for line in stream.iter_lines():
            if line.startswith("data:"):
                results.append(json.loads(line.removeprefix("data:")))
            if len(results) == count:
                break
    return results


@pytest.mark.parametrize("field", ["idempotency_key", "task_id"])
def test_what_is_repeated_is_one_task(api: httpx.Client, add: str, field: str) -> None:
    task = {"function_id": add, "args": [1], field: str(uuid.uuid4())}
    first, second = (api.post("/v1/tasks", json=task).json() for _ in range(2))
    assert (first["id"], first["duplicate"], second["duplicate"]) == (second["id"], False, True)
    assert api.get(f"/v1/tasks/{first['id']}/result", params=WAIT).json()["value"] == 1
    assert api.get(f"/v1/tasks/{first['id']}").json()["attempt"] == 1


def test_tasks_are_listed_page_by_page_newest_first(api: httpx.Client, add: str) -> None:
    group = uuid.uuid4().hex
    ids = [api.post("/v1/tasks", json={"function_id": add, "args": [1], "group": group}).json()["id"] for _ in range(5)]
    listed: list[str] = []
    cursor: dict[str, str] = {}
    while len(listed) < 5:
        page = api.get("/v1/tasks", params={"group": group, "limit": "2"} | cursor).json()
        listed += [item["id"] for item in page["items"]]
        cursor = {"cursor": page["cursor"]}
    assert listed == ids[::-1]


def test_a_result_is_awaited_and_its_output_kept(api: httpx.Client, platform: Deployment) -> None:
    gate = platform.folder / uuid.uuid4().hex

    def wait_for(path: str) -> str:
        import time
        from pathlib import Path

        print("waiting")  # noqa: T201 - This is what is kept.
        while not Path(path).exists():
            time.sleep(0.01)
        return "done"

    function_id = register(api, wait_for)
    task = api.post("/v1/tasks", json={"function_id": function_id, "args": [str(gate)]}).headers["Location"]
    wait_until(lambda: api.get(task).json()["state"] == "RUNNING", what="the task running")
    assert api.get(f"{task}/result").status_code == 202
    gate.touch()
    assert api.get(f"{task}/result", params=WAIT).json()["value"] == "done"
    assert api.get(f"{task}/logs").json()["stdout"] == "waiting\n"
    assert [attempt["number"] for attempt in api.get(task).json()["history"]] == [1]


def test_statistics_count(api: httpx.Client, add: str) -> None:
    before = api.get("/v1/stats").json()["completed"]
    assert api.post("/v1/tasks", params=WAIT, json={"function_id": add, "args": [1]}).status_code == 200
    assert api.get("/v1/stats").json()["completed"] == before + 1


BAD_INPUT: list[tuple[str, dict[str, Any], int]] = [
    ("no JSON", {"content": b"{", "headers": {"Content-Type": "application/json"}}, 400),
    ("no arguments that can be loaded", {"json": {"payload": "aGVsbG8=", "serializer": "dill"}}, 400),
    ("an unknown serializer", {"json": {"payload": "aGVsbG8=", "serializer": "none"}}, 400),
    ("an unknown function", {"json": {"function_id": str(uuid.uuid4())}}, 404),
    ("a form", {"data": {"function_id": "x"}}, 415),
    ("another host", {"json": {}, "headers": {"Host": "elsewhere.example"}}, 421),
    ("no UUID", {"json": {"function_id": "x"}}, 422),
    ("an unknown field", {"json": {"retries": 3}}, 422),
    ("a negative timeout", {"json": {"timeout": -1}}, 422),
]


@pytest.mark.parametrize(("request_", "status"), [case[1:] for case in BAD_INPUT], ids=[case[0] for case in BAD_INPUT])
def test_bad_input_is_a_problem_that_says_what_is_wrong(
    api: httpx.Client, add: str, request_: dict[str, Any], status: int
) -> None:
    body = {"json": {"function_id": add} | request_["json"]} if "json" in request_ else {}
    answer = api.post("/v1/tasks", **(request_ | body))
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["detail"]


@pytest.mark.parametrize("path", ["", "/result", "/logs"])
def test_an_unknown_task_is_a_404(api: httpx.Client, path: str) -> None:
    answer = api.get(f"/v1/tasks/{uuid.uuid4()}{path}")
    assert (answer.status_code, answer.json()["type"]) == (404, "urn:mpcsfaas:problem:unknown-task")
