"""Registering, describing, listing and deleting functions."""

import base64
from typing import Any

import dill
import httpx
import msgspec
import pytest

from mpcsfaas.model import function_id

MSGPACK = "application/x-msgpack"


def packed(body: dict[str, Any]) -> dict[str, Any]:
    return {"content": msgspec.msgpack.encode(body), "headers": {"Content-Type": MSGPACK}}


def payload(value: Any) -> bytes:
    return dill.dumps(value)  # type: ignore[no-any-return]


def test_registering_answers_201_with_location_and_again_200(api: httpx.Client) -> None:
    data = payload("registering")
    body = {"name": "add", "payload": base64.b64encode(data).decode(), "python_version": "3.11", "description": "sums"}
    first = api.post("/v1/functions", json=body)
    assert first.status_code == 201
    answer = first.json()
    assert answer["id"] == function_id("add", "dill", data)
    assert first.headers["Location"] == f"/v1/functions/{answer['id']}"
    fields = ("name", "serializer", "python_version", "serializer_version", "description")
    assert [answer[field] for field in fields] == ["add", "dill", "3.11", "", "sums"]
    again = api.post("/v1/functions", **packed({"name": "add", "payload": data, "serializer": "dill"}))
    assert again.status_code == 200
    assert again.json() == answer
    assert api.get(f"/v1/functions/{answer['id']}").json() == answer


def test_what_cannot_be_a_function_is_refused(api: httpx.Client) -> None:
    whole = payload("x" * 1000)
    for data in (b"", b"no pickle", whole[:-1], whole[1:]):
        answer = api.post("/v1/functions", **packed({"name": "f", "payload": data}))
        assert (answer.status_code, answer.json()["type"]) == (400, "urn:mpcsfaas:problem:invalid-payload")


def test_a_large_payload_is_checked_too(api: httpx.Client) -> None:
    whole = payload([str(number) for number in range(10_000)])
    assert len(whole) > 64 * 1024
    assert api.post("/v1/functions", **packed({"name": "f", "payload": whole})).status_code == 201
    damaged = whole[:1000] + b"\xff" * 10 + whole[1010:]
    assert api.post("/v1/functions", **packed({"name": "f", "payload": damaged})).status_code == 400


def test_serializers_must_be_known_and_carry_functions(api: httpx.Client) -> None:
    for serializer in ("nosuch", "json"):
        answer = api.post("/v1/functions", **packed({"name": "f", "payload": b"1", "serializer": serializer}))
        assert answer.status_code == 400
        assert serializer in answer.json()["detail"]


def test_deleting_refuses_new_tasks_and_registering_again_allows_them(api: httpx.Client) -> None:
    body = packed({"name": "deleted", "payload": payload("deleted")})
    path = f"/v1/functions/{api.post('/v1/functions', **body).json()['id']}"
    assert api.delete(path).status_code == 204
    assert api.delete(path).status_code == 404
    assert api.get(path).status_code == 404
    task = {"function_id": path.rpartition("/")[2], "args": []}
    assert api.post("/v1/tasks", json=task).status_code == 404
    assert api.post("/v1/functions", **body).status_code == 201
    assert api.post("/v1/tasks", json=task).status_code == 202


def test_listing_goes_through_all_pages(api: httpx.Client) -> None:
    names = {f"listed-{number}" for number in range(7)}
    for name in names:
        api.post("/v1/functions", **packed({"name": name, "payload": payload(name)}))
    seen, cursor = [], None
    while True:
        page = api.get("/v1/functions", params={"limit": 3, **({"cursor": cursor} if cursor else {})}).json()
        assert len(page["items"]) <= 3
        seen += [item["name"] for item in page["items"]]
        cursor = page["cursor"]
        if cursor is None:
            break
    assert len(seen) == len(set(seen))
    assert names <= set(seen)


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=x"])
def test_a_bad_query_is_a_422(api: httpx.Client, query: str) -> None:
    answer = api.get(f"/v1/functions?{query}")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["loc"] == ["query", "limit"]


def test_answers_come_as_msgpack_when_asked_for(api: httpx.Client) -> None:
    body = packed({"name": "packed", "payload": payload("packed")})
    body["headers"]["Accept"] = MSGPACK
    answer = api.post("/v1/functions", **body)
    assert answer.headers["Content-Type"] == MSGPACK
    assert msgspec.msgpack.decode(answer.content)["name"] == "packed"
