"""`redis` keeps the contract, and tells the oracle's story."""

import hashlib
import os
import uuid
from collections.abc import Callable
from pathlib import Path

from hypothesis import settings

from mpcsfaas.interfaces.storage import StorageOptions
from mpcsfaas.testing.storage_cases.world import World, case
from mpcsfaas.testing.storage_contract import SharedStorageContract
from mpcsfaas.testing.storage_machine import StorageMachine
from mpcsfaas_storage_memory import MemoryStorage
from mpcsfaas_storage_redis import RedisOptions, RedisStorage


class TestRedisStorage(SharedStorageContract):
    def make(self, folder: Path, clock: Callable[[], float], max_unfinished: int) -> RedisStorage:
        options = RedisOptions(max_unfinished=max_unfinished, prefix=hashlib.sha256(bytes(folder)).hexdigest())
        return RedisStorage(os.environ["TEST_REDIS_URL"], options, server_clock=clock)

    @case
    async def test_nobody_is_told_of_a_cancelled_task_that_has_expired(self, world: World) -> None:
        attempt = await world.start(ttl=0)
        await world.storage.cancel([attempt.task.id])
        assert await world.storage.expire() == 1
        assert await world.storage.take_cancellations("dispatcher") == []


class RedisMachine(StorageMachine):
    def make(self, clock: Callable[[], float]) -> RedisStorage:
        options = RedisOptions(prefix=uuid.uuid4().hex)
        return RedisStorage(os.environ["TEST_REDIS_URL"], options, server_clock=clock)

    def make_oracle(self, clock: Callable[[], float]) -> MemoryStorage:
        return MemoryStorage("memory://", StorageOptions(), clock)


TestRedisMachine = RedisMachine.TestCase
TestRedisMachine.settings = settings(max_examples=30, deadline=None)
