"""One gateway for most tests, over the in-memory storage; the tests play the dispatcher."""

from collections.abc import Iterator

import pytest

from mpcsfaas.gateway.settings import GatewaySettings
from mpcsfaas.interfaces.storage import StorageOptions
from mpcsfaas.testing.gateway import GatewayThread, HandDispatcher
from mpcsfaas_serializers.dill import DillSerializer
from mpcsfaas_serializers.json import JsonSerializer
from mpcsfaas_serializers.msgpack import MsgpackSerializer
from mpcsfaas_storage_memory import MemoryStorage

MAX_PAYLOAD = 100_000
MAX_BODY = 200_000


@pytest.fixture(scope="module")
def gateway() -> Iterator[GatewayThread]:
    storage = MemoryStorage("memory://", StorageOptions())
    settings = GatewaySettings(max_payload=MAX_PAYLOAD, max_body=MAX_BODY, stream_heartbeat=0.2)
    serializers = [DillSerializer(), JsonSerializer(), MsgpackSerializer()]
    with GatewayThread(storage, serializers, settings) as running:
        yield running


@pytest.fixture
def dispatcher(gateway: GatewayThread) -> HandDispatcher:
    dispatcher = HandDispatcher(gateway)
    dispatcher.claim()  # what earlier tests left behind
    return dispatcher
