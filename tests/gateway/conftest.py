"""One gateway per module of tests, over the in-memory storage; the tests play the dispatcher."""

from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor

import dill
import httpx
import msgspec
import pytest

from mpcsfaas.gateway.settings import GatewaySettings
from mpcsfaas.interfaces import Serializer
from mpcsfaas.interfaces.storage import StorageOptions
from mpcsfaas.testing.gateway import GatewayThread, HandDispatcher
from mpcsfaas_serializers.dill import DillSerializer
from mpcsfaas_serializers.json import JsonSerializer
from mpcsfaas_serializers.msgpack import MsgpackSerializer
from mpcsfaas_storage_memory import MemoryStorage


@pytest.fixture(scope="session")
def settings() -> GatewaySettings:
    return GatewaySettings(max_payload=100_000, max_body=200_000, stream_heartbeat=0.2)


@pytest.fixture(scope="session")
def serializers() -> list[Serializer]:
    return [DillSerializer(), JsonSerializer(), MsgpackSerializer()]


@pytest.fixture(scope="module")
def gateway(settings: GatewaySettings, serializers: list[Serializer]) -> Iterator[GatewayThread]:
    with GatewayThread(MemoryStorage("memory://", StorageOptions()), serializers, settings) as running:
        yield running


@pytest.fixture(scope="module")
def api(gateway: GatewayThread) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=gateway.url, timeout=30) as client:
        yield client


@pytest.fixture
def dispatcher(gateway: GatewayThread) -> HandDispatcher:
    dispatcher = HandDispatcher(gateway)
    dispatcher.claim()  # what earlier tests left behind
    return dispatcher


@pytest.fixture(scope="module")
def function_id(api: httpx.Client) -> str:
    body = msgspec.msgpack.encode({"name": "f", "payload": dill.dumps(lambda: None)})
    answer = api.post("/v1/functions", content=body, headers={"Content-Type": "application/x-msgpack"})
    assert answer.status_code in (200, 201)
    return str(answer.json()["id"])


@pytest.fixture
def background() -> Iterator[Executor]:
    with ThreadPoolExecutor() as executor:
        yield executor
