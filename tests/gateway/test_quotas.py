"""Quotas of API keys, from the key to the answer; the storage contract has what they mean."""

import asyncio
import base64
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack

import dill
import httpx
import pytest

from mpcsfaas.gateway.auth.keys import create_key, decode_key, encode_key
from mpcsfaas.gateway.context import Gateway
from mpcsfaas.gateway.settings import GatewaySettings
from mpcsfaas.gateway.tenants import Gateways
from mpcsfaas.interfaces import Serializer
from mpcsfaas.interfaces.storage import Enqueued, StorageOptions
from mpcsfaas.model import Failure, FailureKind, Quota, Task, new_task_id
from mpcsfaas.testing.gateway import GatewayThread, HandDispatcher
from mpcsfaas_storage_memory import MemoryStorage

FUNCTION = {"name": "f", "payload": base64.b64encode(dill.dumps(abs)).decode()}
CALL = base64.encodebytes(dill.dumps(((1,), {}))).decode()


class Customer:
    """Somebody with a key."""

    def __init__(self, api: httpx.Client, key_id: str) -> None:
        self.api = api
        self.key_id = key_id
        self.function = api.post("/v1/functions", json=FUNCTION).json()["id"]

    def submit(self) -> httpx.Response:
        return self.api.post("/v1/tasks", json={"function_id": self.function, "args": [1]})

    def submit_batch(self, count: int) -> httpx.Response:
        return self.api.post("/v1/tasks:batch", json={"tasks": [{"function_id": self.function, "args": [1]}] * count})


@pytest.fixture
def gateway(settings: GatewaySettings, serializers: list[Serializer]) -> Iterator[GatewayThread]:
    with GatewayThread(MemoryStorage("memory://", StorageOptions()), serializers, settings) as running:
        yield running


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def customer(gateway: GatewayThread, stack: ExitStack, **quota: int) -> Customer:
    text, key = create_key("acme", now=time.time(), **quota)  # type: ignore[arg-type]
    assert decode_key(encode_key(key)) == key
    gateway.run(gateway.storage.put_key(key.id, encode_key(key)))
    headers = {"Authorization": f"Bearer {text}"}
    return Customer(stack.enter_context(httpx.Client(base_url=gateway.url, headers=headers)), key.id)


def check_refusal(answer: httpx.Response, key_id: str) -> None:
    assert answer.status_code == 429
    assert answer.headers["Retry-After"] == "1"
    problem = answer.json()
    assert problem["type"] == "urn:mpcsfaas:problem:quota-exceeded"
    for word in (key_id, "2 queued tasks", "max_queued", "try again"):
        assert word in problem["detail"]


def test_a_submission_over_the_quota_is_refused_as_a_whole(gateway: GatewayThread, stack: ExitStack) -> None:
    bounded, free = customer(gateway, stack, max_queued=2), customer(gateway, stack)
    check_refusal(bounded.submit_batch(3), bounded.key_id)
    assert bounded.submit_batch(1).status_code == 200
    assert bounded.submit().status_code == 202
    check_refusal(bounded.submit(), bounded.key_id)
    classic = {"function_id": bounded.function, "payload": CALL}
    check_refusal(bounded.api.post("/execute_function", json=classic), bounded.key_id)
    assert free.submit_batch(5).status_code == 200
    assert len(HandDispatcher(gateway).claim()) == 7
    assert bounded.submit_batch(2).status_code == 200


def test_a_retry_counts_for_the_key_that_asks_for_it(gateway: GatewayThread, stack: ExitStack) -> None:
    bounded, free = customer(gateway, stack, max_queued=2), customer(gateway, stack)
    failed = free.submit().json()["id"]
    dispatcher = HandDispatcher(gateway)
    dispatcher.fail(dispatcher.claim(), Failure(FailureKind.EXCEPTION, "no"))
    bounded.submit_batch(2)
    check_refusal(bounded.api.post("/v1/tasks:retry", json={"ids": [failed]}), bounded.key_id)
    assert free.api.post("/v1/tasks:retry", json={"ids": [failed]}).json()["results"][0]["state"] == "QUEUED"


def test_no_more_tasks_of_a_key_run_than_may(gateway: GatewayThread, stack: ExitStack) -> None:
    bounded, free = customer(gateway, stack, max_running=2), customer(gateway, stack)
    bounded.submit_batch(5)
    free.submit_batch(5)
    dispatcher = HandDispatcher(gateway)
    attempts = dispatcher.claim()
    assert [attempt.task.quota is not None for attempt in attempts] == [True] * 2 + [False] * 5
    assert dispatcher.claim() == []
    dispatcher.complete(attempts[:1], b"1")
    assert len(dispatcher.claim()) == 1


class Recording(MemoryStorage):
    """Remembers the quotas of each batch."""

    batches: list[list[Quota | None]]

    async def enqueue(self, tasks: Sequence[Task]) -> list[Enqueued]:
        self.batches.append([task.quota for task in tasks])
        return await super().enqueue(tasks)


def test_who_may_be_refused_shares_no_batch_with_others(
    settings: GatewaySettings, serializers: list[Serializer]
) -> None:
    """What is submitted at once is accepted together, and one by one after a refusal, which would cost others time."""
    storage = Recording("memory://", StorageOptions())
    storage.batches = []

    async def run() -> None:
        gateways = Gateways(Gateway.build(storage, serializers, settings))
        views = [gateways.of(create_key("acme", now=0.0, max_queued=bound)[1]) for bound in (3, 5, None, None)]
        tasks = [Task(new_task_id(), "unknown", b"", "dill", 0.0) for _ in range(5)]
        await asyncio.gather(*(view.enqueue.submit([task]) for view in views for task in tasks))

    asyncio.run(run())
    assert sum(map(len, storage.batches)) == 20
    assert all(len(set(batch)) == 1 for batch in storage.batches)
    assert max(map(len, storage.batches)) == 10, "nothing was accepted together"
