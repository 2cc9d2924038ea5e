"""Whatever bytes come, the answer is a clear 2xx or 4xx."""

import base64
import uuid
from contextlib import suppress
from typing import Any

import httpx
import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mpcsfaas.gateway import base64_text
from mpcsfaas.gateway.problems import Problem

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
JSON, MSGPACK = "application/json", "application/x-msgpack"

NUMBERS = st.integers(-(2**63), 2**64 - 1) | st.floats()
SCALARS = st.none() | st.booleans() | NUMBERS | st.text() | st.binary(max_size=50)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text() | st.integers(0, 9), inner, max_size=4),
    max_leaves=8,
)
PLAUSIBLE: dict[str, st.SearchStrategy[Any]] = {
    "name": st.text(),
    "function_id": st.uuids().map(str) | st.text(),
    "task_id": st.uuids().map(str) | st.none(),
    "payload": st.binary() | st.binary().map(lambda data: base64.b64encode(data).decode()) | st.text(),
    "serializer": st.sampled_from(["dill", "json", "msgpack", "nosuch"]),
    "args": st.lists(VALUES, max_size=4),
    "kwargs": st.dictionaries(st.text(), VALUES, max_size=3),
    "timeout": NUMBERS,
    "max_retries": st.integers(-5, 10**7),
    "labels": st.lists(st.text(max_size=10), max_size=4),
    "group": st.text(max_size=300),
    "priority": st.integers(-(2**40), 2**40),
    "tasks": st.lists(VALUES, max_size=5),
    "ids": st.lists(st.uuids().map(str) | VALUES, max_size=5),
}
DOCUMENTS = (
    st.fixed_dictionaries({}, optional={name: strategy | VALUES for name, strategy in PLAUSIBLE.items()}) | VALUES
)

relaxed = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def check(api: httpx.Client, path: str, body: bytes, content_type: str) -> None:
    answer = api.post(path, content=body, headers={"Content-Type": content_type})
    assert answer.status_code in (200, 201, 202, 400, 404, 413, 415, 422), answer.text
    if answer.status_code >= 400:
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.json()["detail"]


@relaxed
@given(path=st.sampled_from(WRITES), body=st.binary(max_size=300), content_type=st.sampled_from([JSON, MSGPACK]))
def test_random_bytes(api: httpx.Client, path: str, body: bytes, content_type: str) -> None:
    check(api, path, body, content_type)


@relaxed
@given(path=st.sampled_from(WRITES), document=DOCUMENTS, as_msgpack=st.booleans())
@example(path="/v1/tasks", document={"function_id": str(uuid.uuid4()), "args": [{"k": {1: 2}}]}, as_msgpack=True)
def test_documents_of_every_shape(api: httpx.Client, path: str, document: Any, as_msgpack: bool) -> None:
    if as_msgpack:
        check(api, path, msgspec.msgpack.encode(document), MSGPACK)
    else:
        check(api, path, msgspec.json.encode(document), JSON)


@relaxed
@given(path=st.sampled_from(WRITES), document=DOCUMENTS, cut=st.floats(0, 1), flip=st.integers(0, 255))
def test_damaged_documents(api: httpx.Client, path: str, document: Any, cut: float, flip: int) -> None:
    for encode, content_type in ((msgspec.json.encode, JSON), (msgspec.msgpack.encode, MSGPACK)):
        data = encode(document)
        at = int(cut * (len(data) - 1))
        check(api, path, data[:at], content_type)
        check(api, path, data[:at] + bytes([flip]) + data[at + 1 :], content_type)


@pytest.mark.parametrize("key", [{1: 2}, ["x"]], ids=str)
def test_msgpack_keys_that_json_has_not(api: httpx.Client, key: Any) -> None:
    """A map whose key is a map or a list."""
    entry = b"\x81" + msgspec.msgpack.encode(key) + b"\x01"
    body = b"\x82\xabfunction_id" + msgspec.msgpack.encode(str(uuid.uuid4())) + b"\xa4args\x91" + entry
    answer = api.post("/v1/tasks", content=body, headers={"Content-Type": MSGPACK})
    assert answer.status_code in (400, 422), answer.text


@given(st.binary(max_size=500))
def test_mime_base64_round_trips(data: bytes) -> None:
    text = base64_text.encode(data)
    assert all(len(line) <= 76 for line in text.splitlines())
    assert base64_text.decode(text) == base64_text.decode(text.replace("\n", "")) == data


@given(st.text() | st.text("AQgw+/=\n", max_size=8))
def test_what_is_no_base64_is_refused_not_guessed(text: str) -> None:
    with suppress(Problem):
        data = base64_text.decode(text)
        exact, given = base64.b64encode(data).decode(), text.replace("\n", "").replace("\r", "")
        # The last letter may carry bits beyond the last byte.
        assert (len(exact), exact[:-4]) == (len(given), given[:-4])
