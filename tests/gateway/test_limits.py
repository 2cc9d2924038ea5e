"""Sizes at the limit and one byte to either side of it, however the body is sent."""

import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import msgspec
import pytest

from mpcsfaas.gateway.settings import GatewaySettings
from mpcsfaas.testing.gateway import GatewayThread, HandDispatcher

MSGPACK = {"Content-Type": "application/x-msgpack"}
JSON = {"Content-Type": "application/json"}


def body_of_size(size: int) -> bytes:
    return b'{"ids": []' + b" " * (size - 11) + b"}"


def in_chunks(body: bytes) -> Iterator[bytes]:
    for start in range(0, len(body), 10_000):
        yield body[start : start + 10_000]


@pytest.mark.parametrize(("excess", "status"), [(-1, 200), (0, 200), (1, 413)])
@pytest.mark.parametrize("chunked", [False, True])
def test_the_body(api: httpx.Client, settings: GatewaySettings, excess: int, status: int, chunked: bool) -> None:
    body = body_of_size(settings.max_body + excess)
    answer = api.post("/v1/tasks:cancel", content=in_chunks(body) if chunked else body, headers=JSON)
    assert ("Transfer-Encoding" in answer.request.headers) == chunked
    assert answer.status_code == status
    if status == 413:
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert str(settings.max_body) in answer.json()["detail"]


@pytest.mark.parametrize(("excess", "status"), [(-1, 202), (0, 202), (1, 413)])
@pytest.mark.parametrize("form", ["dill", "args"])
def test_the_payload(
    api: httpx.Client, settings: GatewaySettings, function_id: str, excess: int, status: int, form: str
) -> None:
    size = settings.max_payload + excess
    fields: dict[str, Any] = {"payload": b"\x80\x04" + b"N" * (size - 3) + b"."}
    if form == "args":
        fields = {"args": ["x" * (size - len(b'[[""],{}]'))]}
    body = msgspec.msgpack.encode({"function_id": function_id, **fields})
    assert api.post("/v1/tasks", content=body, headers=MSGPACK).status_code == status


@pytest.mark.parametrize(("excess", "status"), [(-1, 201), (0, 201), (1, 413)])
def test_the_function(api: httpx.Client, settings: GatewaySettings, excess: int, status: int) -> None:
    size = settings.max_payload + excess
    text = b"x" * (size - 8)
    body = msgspec.msgpack.encode(
        {"name": "f", "payload": b"\x80\x04X" + len(text).to_bytes(4, "little") + text + b"."}
    )
    assert api.post("/v1/functions", content=body, headers=MSGPACK).status_code == status


@pytest.mark.parametrize(("value", "status"), [(-1, 422), (0, 202), (1, 202)])
@pytest.mark.parametrize("name", ["max_retries", "max_redeliveries", "retry_delay", "delay", "ttl"])
def test_options_that_begin_at_zero(api: httpx.Client, function_id: str, name: str, value: int, status: int) -> None:
    assert api.post("/v1/tasks", json={"function_id": function_id, name: value}).status_code == status


@pytest.mark.parametrize(("value", "status"), [(-1, 422), (0, 422), (1, 202)])
@pytest.mark.parametrize("name", ["timeout", "deadline"])
def test_limits_that_begin_above_zero(api: httpx.Client, function_id: str, name: str, value: int, status: int) -> None:
    assert api.post("/v1/tasks", json={"function_id": function_id, name: value}).status_code == status


def test_a_connection_serves_on_after_a_413(
    gateway: GatewayThread, settings: GatewaySettings, dispatcher: HandDispatcher, function_id: str
) -> None:
    """A body that was announced as too large, and one that turned out to be, are both read away."""
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=30) as connection:
        stream = connection.makefile("rwb")
        body = body_of_size(settings.max_body + 50_000)
        head = b"POST /v1/tasks:cancel HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        stream.write(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        stream.flush()
        assert read_answer(stream)[0] == 413
        chunks = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in in_chunks(body))
        stream.write(head + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n")
        stream.flush()
        assert read_answer(stream)[0] == 413
        task = json.dumps({"function_id": function_id}).encode()
        head = head.replace(b":cancel", b"")
        stream.write(head + b"Content-Length: %d\r\n\r\n" % len(task) + task)
        stream.flush()
        status, answer = read_answer(stream)
    assert status == 202
    assert [attempt.task.id for attempt in dispatcher.claim()] == [answer["id"]]


def test_an_endless_body_is_refused_as_soon_as_it_is_too_large(gateway: GatewayThread) -> None:
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=30) as connection:
        stream = connection.makefile("rwb")
        head = b"POST /v1/tasks HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        connection.sendall(head + b"Transfer-Encoding: chunked\r\n\r\n")
        answered = threading.Event()

        def send_without_end() -> None:
            while not answered.is_set():
                connection.sendall(b"2710\r\n" + b" " * 10_000 + b"\r\n")

        sender = threading.Thread(target=send_without_end)
        sender.start()
        try:
            assert read_answer(stream)[0] == 413
        finally:
            answered.set()
            sender.join()


def read_answer(stream: Any) -> tuple[int, Any]:
    status = int(stream.readline().split()[1])
    length = 0
    while (line := stream.readline().strip()) != b"":
        name, _, value = line.partition(b": ")
        length = int(value) if name == b"content-length" else length
    return status, json.loads(stream.read(length))
