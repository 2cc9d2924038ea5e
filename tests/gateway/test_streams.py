"""Streams: every result of a group, each once, in order, whatever happens to the connection."""

import asyncio
import random
import socket
import struct
import uuid
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import Any

import httpx
import msgspec
import pytest

from mpcsfaas.testing.gateway import GatewayThread, HandDispatcher
from mpcsfaas.testing.platform import wait_until

MSGPACK = {"Accept": "application/x-msgpack"}
Result = dict[str, Any]


@pytest.fixture
def group() -> str:
    return f"group/{uuid.uuid4()}"


@pytest.fixture
def submit(api: httpx.Client, function_id: str, group: str) -> Any:
    def submit(count: int, group: str = group) -> list[str]:
        items = [{"function_id": function_id, "group": group} for _ in range(count)]
        return [result["id"] for result in api.post("/v1/tasks:batch", json={"tasks": items}).json()["results"]]

    return submit


@contextmanager
def events(api: httpx.Client, group: str, **query: Any) -> Iterator[Iterator[Result]]:
    """A server-sent-events client."""
    headers = query.pop("headers", {})
    with api.stream("GET", f"/v1/groups/{group}/stream", params=query, headers=headers) as answer:
        assert answer.status_code == 200
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        yield _events(answer)


def _events(answer: httpx.Response) -> Iterator[Result]:
    fields: dict[str, str] = {}
    for line in answer.iter_lines():
        name, _, value = line.partition(": ")
        if line.startswith(":"):
            yield {}
        elif line:
            fields[name] = value
        elif fields:
            assert fields["event"] == "result"
            result = msgspec.json.decode(fields["data"])
            assert str(result["sequence"]) == fields["id"]
            yield result
            fields = {}


async def frames(answer: httpx.Response) -> AsyncIterator[list[Result]]:
    """A client of length-prefixed msgpack."""
    data = bytearray()
    async for chunk in answer.aiter_raw():
        data += chunk
        while len(data) >= 4 and len(data) >= 4 + (length := struct.unpack(">I", data[:4])[0]):
            yield msgspec.msgpack.decode(data[4 : 4 + length])
            del data[: 4 + length]


def take(stream: Iterator[Result], count: int) -> list[Result]:
    results: list[Result] = []
    while len(results) < count:
        if result := next(stream):
            results.append(result)
    return results


async def take_frames(client: httpx.AsyncClient, group: str, count: int) -> list[Result]:
    results: list[Result] = []
    async with client.stream("GET", f"/v1/groups/{group}/stream", headers=MSGPACK) as answer:
        assert answer.headers["Content-Type"] == "application/x-msgpack"
        async for frame in frames(answer):
            results += frame
            if len(results) >= count:
                break
    return results


async def take_all_frames(url: str, groups: list[str], count: int) -> list[list[Result]]:
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=url, timeout=90, limits=limits) as client:
        return await asyncio.gather(*(take_frames(client, group, count) for group in groups))


def test_what_ended_before_and_what_ends_meanwhile_both_come(
    api: httpx.Client, dispatcher: HandDispatcher, submit: Any, group: str
) -> None:
    ids = submit(6)
    attempts = dispatcher.claim()
    dispatcher.complete(attempts[:2], b'{"a":\n1}')
    with events(api, group) as stream:
        first = take(stream, 2)
        assert [result["id"] for result in first] == ids[:2]
        assert first[0] == {
            "id": ids[0], "state": "COMPLETED", "serializer": "json", "value": {"a": 1}, "failure": None,
            "sequence": first[0]["sequence"],
        }  # fmt: skip
        dispatcher.complete(attempts[2:4], b"2")
        api.post("/v1/tasks:cancel", json={"ids": ids[4:]})
        rest = take(stream, 4)
    assert [result["id"] for result in rest] == ids[2:]
    assert [result["state"] for result in rest] == ["COMPLETED"] * 2 + ["CANCELLED"] * 2
    sequences = [result["sequence"] for result in first + rest]
    assert sequences == sorted(set(sequences))


def test_resuming_loses_nothing_and_repeats_nothing(
    api: httpx.Client, dispatcher: HandDispatcher, submit: Any, group: str
) -> None:
    """The connection is dropped again and again while tasks end."""
    ids, last = submit(60), 0
    seen: list[str] = []
    attempts = dispatcher.claim()
    chance = random.Random(7)
    while attempts or len(seen) < len(ids):
        by_header = chance.random() < 0.5
        query = {"after": 0, "headers": {"Last-Event-ID": str(last)}} if by_header else {"after": last}
        with events(api, group, **query) as stream:
            ending = attempts[: chance.randint(0, 9)]
            attempts = attempts[len(ending) :]
            dispatcher.complete(ending, b"1")
            available = len(ids) - len(attempts) - len(seen)
            for result in take(stream, chance.randint(0, available)):
                seen.append(result["id"])
                last = result["sequence"]
    assert seen == ids


def test_frames_carry_values_as_bytes(
    gateway: GatewayThread, dispatcher: HandDispatcher, submit: Any, group: str
) -> None:
    ids = submit(3)
    dispatcher.complete(dispatcher.claim(), b"[1]")
    (results,) = asyncio.run(take_all_frames(gateway.url, [group], 3))
    assert [result["id"] for result in results] == ids
    assert {result["value"] for result in results} == {b"[1]"}


def test_signs_of_life_come_in_both_forms(gateway: GatewayThread, api: httpx.Client, group: str) -> None:
    with events(api, group) as stream:
        assert [next(stream), next(stream)] == [{}, {}]

    async def first_frame() -> list[Result]:
        async with (
            httpx.AsyncClient(base_url=gateway.url, timeout=30) as client,
            client.stream("GET", f"/v1/groups/{group}/stream", headers=MSGPACK) as answer,
        ):
            return await anext(frames(answer))

    assert asyncio.run(first_frame()) == []


def test_other_groups_are_not_told(api: httpx.Client, dispatcher: HandDispatcher, submit: Any, group: str) -> None:
    submit(3, "another")
    (mine,) = submit(1)
    dispatcher.complete(dispatcher.claim(), b"1")
    with events(api, group) as stream:
        assert [result["id"] for result in take(stream, 1)] == [mine]


def test_an_unknown_group_waits_for_its_first_task(
    gateway: GatewayThread, api: httpx.Client, dispatcher: HandDispatcher, submit: Any, group: str
) -> None:
    with events(api, group) as stream:
        assert next(stream) == {}
        (task_id,) = submit(1)
        dispatcher.complete(dispatcher.claim(), b"1")
        assert [result["id"] for result in take(stream, 1)] == [task_id]


def test_a_hundred_streams_each_get_everything(
    gateway: GatewayThread, dispatcher: HandDispatcher, submit: Any, group: str, background: Executor
) -> None:
    """Half of them share a group; the others have one each."""
    groups = [group] * 50 + [f"{group}-{number}" for number in range(50)]
    ids = {name: submit(20, name) for name in dict.fromkeys(groups)}

    reading = background.submit(asyncio.run, take_all_frames(gateway.url, groups, 20))
    wait_until(lambda: gateway.audience == 100, timeout=30, what="100 streams")
    attempts = dispatcher.claim()
    random.Random(3).shuffle(attempts)
    for start in range(0, len(attempts), 100):
        dispatcher.complete(attempts[start : start + 100], b"1")
    for name, results in zip(groups, reading.result(60), strict=True):
        assert sorted(result["id"] for result in results) == sorted(ids[name])
    wait_until(lambda: gateway.audience == 0, what="nobody being remembered")


def test_a_reader_that_does_not_read_holds_up_nobody(
    gateway: GatewayThread, api: httpx.Client, dispatcher: HandDispatcher, submit: Any, group: str
) -> None:
    with socket.create_connection(("127.0.0.1", gateway.port)) as sleeper:
        sleeper.sendall(f"GET /v1/groups/{group}/stream HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        wait_until(lambda: gateway.audience == 1, what="the stream that nobody reads")
        ids = submit(400)
        with events(api, group) as stream:
            dispatcher.complete(dispatcher.claim(), b'"%b"' % (b"x" * 20_000))
            assert [result["id"] for result in take(stream, 400)] == ids
        wait_until(lambda: gateway.audience == 1, what="only the sleeper being left")
    wait_until(lambda: gateway.audience == 0, what="the end of the broken connection being noticed")


@pytest.mark.parametrize("after", ["-1", "x", str(2**63)])
def test_a_bad_position_is_a_422(api: httpx.Client, group: str, after: str) -> None:
    assert api.get(f"/v1/groups/{group}/stream?after={after}").status_code == 422
    assert api.get(f"/v1/groups/{group}/stream", headers={"Last-Event-ID": after}).status_code == 422


def test_a_group_has_a_name_of_reasonable_length(api: httpx.Client) -> None:
    assert api.get("/v1/groups//stream").status_code == 422
    assert api.get(f"/v1/groups/{'x' * 256}/stream").status_code == 422
    with events(api, "x" * 255) as stream:
        assert next(stream) == {}
