"""Fetching results, at once or by waiting."""

import asyncio
import base64
import uuid
from collections.abc import Iterator, Mapping
from concurrent.futures import Executor
from typing import Any

import dill
import httpx
import msgspec
import pytest

from mpcsfaas.gateway.settings import GatewaySettings
from mpcsfaas.interfaces import Serializer
from mpcsfaas.interfaces.storage import StorageOptions
from mpcsfaas.model import Failure, FailureKind
from mpcsfaas.testing.gateway import GatewayThread, HandDispatcher
from mpcsfaas.testing.platform import wait_until
from mpcsfaas_storage_memory import MemoryStorage

MSGPACK = {"Accept": "application/x-msgpack"}
CALL = base64.b64encode(dill.dumps(((), {}))).decode()


def submit(api: httpx.Client, function_id: str, **options: Any) -> str:
    return str(api.post("/v1/tasks", json={"function_id": function_id, **options}).json()["id"])


def test_before_the_end_the_answer_is_202(api: httpx.Client, dispatcher: HandDispatcher, function_id: str) -> None:
    task_id = submit(api, function_id)
    for state in ("QUEUED", "RUNNING"):
        answer = api.get(f"/v1/tasks/{task_id}/result")
        assert answer.status_code == 202
        assert answer.json() == {"id": task_id, "state": state}
        assert int(answer.headers["Retry-After"]) >= 1
        dispatcher.claim()


def test_a_json_value_is_there_as_itself(api: httpx.Client, dispatcher: HandDispatcher, function_id: str) -> None:
    task_id = submit(api, function_id)
    dispatcher.complete(dispatcher.claim(), b'{"a": [1, 123456789012345678901234567890]}')
    expected = {"id": task_id, "state": "COMPLETED", "serializer": "json", "failure": None}
    answer = api.get(f"/v1/tasks/{task_id}/result").json()
    assert answer == {**expected, "value": {"a": [1, 123456789012345678901234567890]}}
    packed = api.get(f"/v1/tasks/{task_id}/result", headers=MSGPACK).content
    assert msgspec.msgpack.decode(packed) == {**expected, "value": b'{"a": [1, 123456789012345678901234567890]}'}


def test_a_pickled_value_is_base64_or_bytes(api: httpx.Client, dispatcher: HandDispatcher, function_id: str) -> None:
    task_id = submit(api, function_id, payload=CALL)
    data = dill.dumps(list(range(1000)))
    dispatcher.complete(dispatcher.claim(), data)
    answer = api.get(f"/v1/tasks/{task_id}/result").json()
    assert base64.b64decode(answer["value"], validate=True) == data
    packed = api.get(f"/v1/tasks/{task_id}/result", headers=MSGPACK).content
    assert msgspec.msgpack.decode(packed)["value"] == data


def test_a_failure_says_everything(api: httpx.Client, dispatcher: HandDispatcher, function_id: str) -> None:
    task_id = submit(api, function_id, payload=CALL)
    dispatcher.fail(dispatcher.claim(), Failure(FailureKind.CRASHED, "signal 11"))
    assert api.get(f"/v1/tasks/{task_id}/result").json() == {
        "id": task_id,
        "state": "FAILED",
        "serializer": "dill",
        "value": None,
        "failure": {"kind": "crashed", "message": "signal 11", "type": "", "traceback": ""},
    }


def test_a_cancelled_task_has_neither_value_nor_failure(api: httpx.Client, function_id: str) -> None:
    task_id = submit(api, function_id)
    api.delete(f"/v1/tasks/{task_id}")
    answer = api.get(f"/v1/tasks/{task_id}/result").json()
    assert (answer["state"], answer["value"], answer["failure"]) == ("CANCELLED", None, None)


def test_waiting_ends_with_the_task(
    gateway: GatewayThread, api: httpx.Client, dispatcher: HandDispatcher, function_id: str, background: Executor
) -> None:
    task_id = submit(api, function_id)
    waiting = background.submit(api.get, f"/v1/tasks/{task_id}/result?wait=60", timeout=90)
    wait_until(lambda: gateway.audience == 1, what="the wait")
    dispatcher.complete(dispatcher.claim(), b"7")
    assert waiting.result(30).json()["value"] == 7


def test_waiting_in_vain_is_a_202(api: httpx.Client, function_id: str) -> None:
    task_id = submit(api, function_id)
    assert api.get(f"/v1/tasks/{task_id}/result?wait=0.2").status_code == 202


def test_submitting_and_waiting_gives_the_result_at_once(
    gateway: GatewayThread, api: httpx.Client, dispatcher: HandDispatcher, function_id: str, background: Executor
) -> None:
    waiting = background.submit(api.post, "/v1/tasks?wait=60", json={"function_id": function_id}, timeout=90)
    wait_until(lambda: gateway.audience == 1, what="the wait")
    dispatcher.complete(dispatcher.claim(), b"[7]")
    answer = waiting.result(30)
    assert answer.status_code == 200
    assert answer.json()["value"] == [7]
    assert answer.headers["Location"] == f"/v1/tasks/{answer.json()['id']}"


def test_submitting_and_waiting_in_vain_is_a_202(api: httpx.Client, function_id: str) -> None:
    answer = api.post("/v1/tasks?wait=0.1", json={"function_id": function_id})
    assert answer.status_code == 202
    assert answer.json()["state"] == "QUEUED"


def test_many_wait_and_each_gets_its_own(
    gateway: GatewayThread, api: httpx.Client, dispatcher: HandDispatcher, function_id: str, background: Executor
) -> None:
    ids = [submit(api, function_id) for _ in range(100)]

    async def wait_for_all() -> list[Any]:
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(base_url=gateway.url, timeout=90, limits=limits) as client:
            answers = await asyncio.gather(*(client.get(f"/v1/tasks/{task_id}/result?wait=60") for task_id in ids))
            return [answer.json() for answer in answers]

    waiting = background.submit(asyncio.run, wait_for_all())
    wait_until(lambda: gateway.audience == 100, what="100 waits")
    for number, attempt in enumerate(dispatcher.claim()):
        dispatcher.complete([attempt], b"%d" % number)
    answers = waiting.result(60)
    assert [answer["id"] for answer in answers] == ids
    assert [answer["value"] for answer in answers] == list(range(100))
    wait_until(lambda: gateway.audience == 0, what="nobody being remembered")


# Of many tasks


def results_of(
    api: httpx.Client, ids: list[str], wait: float = 0, headers: Mapping[str, str] | None = None
) -> list[dict[str, Any]]:
    answer = api.post("/v1/tasks:results", json={"ids": ids}, params={"wait": wait}, headers=headers, timeout=90)
    assert answer.status_code == 200, answer.text
    if headers:
        return list(msgspec.msgpack.decode(answer.content)["results"])
    return list(answer.json()["results"])


def test_of_many_those_that_have_ended_are_there(
    api: httpx.Client, dispatcher: HandDispatcher, function_id: str
) -> None:
    ids = [submit(api, function_id) for _ in range(300)]
    dispatcher.complete(dispatcher.claim()[::2], b"[1]")
    assert [result["id"] for result in results_of(api, ids)] == ids[::2]
    assert results_of(api, ids[:2]) == [api.get(f"/v1/tasks/{ids[0]}/result").json()]
    assert results_of(api, ids[:2], headers=MSGPACK)[0]["value"] == b"[1]"
    assert results_of(api, ids[1:2], wait=0.05) == []


def test_waiting_for_many_ends_with_the_first(
    gateway: GatewayThread, api: httpx.Client, dispatcher: HandDispatcher, function_id: str, background: Executor
) -> None:
    ids = [submit(api, function_id) for _ in range(20)]
    waiting = background.submit(results_of, api, [*ids, ids[0]], 60)
    wait_until(lambda: gateway.audience == 20, what="the wait")
    dispatcher.complete(dispatcher.claim()[7:8], b"7")
    assert [(result["id"], result["value"]) for result in waiting.result(30)] == [(ids[7], 7)]
    wait_until(lambda: gateway.audience == 0, what="nobody being remembered")


def test_what_never_will_have_a_result_is_told_at_once(
    gateway: GatewayThread, api: httpx.Client, dispatcher: HandDispatcher, function_id: str
) -> None:
    waiting, expired, unknown = submit(api, function_id), submit(api, function_id, ttl=0), str(uuid.uuid4())
    dispatcher.complete(dispatcher.claim()[1:], b"1")
    gateway.run(gateway.storage.expire())
    missing = results_of(api, [waiting, expired, unknown], wait=60)
    assert [(each["id"], each["error"]["status"]) for each in missing] == [(expired, 410), (unknown, 404)]


def test_large_values_come_in_several_answers(
    gateway: GatewayThread, api: httpx.Client, dispatcher: HandDispatcher, function_id: str
) -> None:
    ids = [submit(api, function_id) for _ in range(12)]
    dispatcher.complete(dispatcher.claim(), b'"' + b"x" * 1_000_000 + b'"')
    left, answers = ids, 0
    while left:
        results = results_of(api, left)
        assert sum(len(result["value"]) for result in results) < 8_000_000
        left = left[len(results) :]
        answers += 1
    assert answers > 1


@pytest.mark.parametrize("ids", [[], [str(uuid.uuid4())] * 1001, ["nonsense"]])
def test_ids_that_cannot_be_watched(api: httpx.Client, ids: list[str]) -> None:
    assert api.post("/v1/tasks:results", json={"ids": ids}).status_code == 422


@pytest.mark.parametrize(("wait", "status"), [("-0.1", 422), ("0", 202), ("60", 200), ("60.1", 422)])
def test_how_long_one_may_wait_is_limited(
    api: httpx.Client, dispatcher: HandDispatcher, function_id: str, wait: str, status: int
) -> None:
    task_id = submit(api, function_id)
    if status == 200:
        dispatcher.complete(dispatcher.claim(), b"1")
    assert api.get(f"/v1/tasks/{task_id}/result?wait={wait}").status_code == status


@pytest.mark.parametrize("wait", ["x", "", "nan", "inf", "1e400", "0x1"])
def test_nonsense_waits_are_a_422(api: httpx.Client, function_id: str, wait: str) -> None:
    answer = api.post(f"/v1/tasks?wait={wait}", json={"function_id": function_id})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["loc"] == ["query", "wait"]


@pytest.mark.parametrize("path", ["", "/result", "/result?wait=1", "/logs"])
def test_unknown_tasks_and_bad_ids(api: httpx.Client, path: str) -> None:
    assert api.get(f"/v1/tasks/{uuid.uuid4()}{path}").status_code == 404
    assert api.get(f"/v1/tasks/no-uuid{path}").status_code == 422


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ageing(settings: GatewaySettings, serializers: list[Serializer], clock: Clock) -> Iterator[GatewayThread]:
    with GatewayThread(MemoryStorage("memory://", StorageOptions(), clock), serializers, settings) as running:
        yield running


def test_an_expired_result_is_gone_but_not_forgotten(ageing: GatewayThread, clock: Clock) -> None:
    payload = base64.b64encode(dill.dumps(print)).decode()
    with httpx.Client(base_url=ageing.url, timeout=30) as api:
        function_id = api.post("/v1/functions", json={"name": "f", "payload": payload}).json()["id"]
        task_id = submit(api, function_id, ttl=10)
        dispatcher = HandDispatcher(ageing)
        dispatcher.complete(dispatcher.claim(), b"1")
        assert api.get(f"/v1/tasks/{task_id}/result").status_code == 200
        clock.now += 11
        ageing.run(ageing.storage.expire())
        for path in (f"/v1/tasks/{task_id}/result", f"/v1/tasks/{task_id}/result?wait=5", f"/result/{task_id}"):
            answer = api.get(path)
            assert answer.status_code == 410
            assert task_id in answer.json()["detail"]
        assert api.get(f"/v1/tasks/{task_id}").json()["expired"] is True
        assert api.get(f"/status/{task_id}").json()["status"] == "COMPLETED"
