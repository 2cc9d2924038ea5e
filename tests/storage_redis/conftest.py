"""One server for all tests that leave it alone; each test has a prefix of its own there."""

import os
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from mpcsfaas.testing.redis_server import RedisServer
from mpcsfaas.testing.storage_cases.world import make_function
from mpcsfaas_storage_redis import RedisOptions, RedisStorage


@pytest.fixture(scope="package", autouse=True)
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A server that keeps nothing."""
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        os.environ["TEST_REDIS_URL"] = server.url
        yield server
        del os.environ["TEST_REDIS_URL"]


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[RedisServer]:
    """A server for one test, which may mistreat it. Every answer is on the disk first."""
    with RedisServer(tmp_path, aof="always") as server:
        yield server


@pytest.fixture
def opened() -> Callable[..., AbstractAsyncContextManager[RedisStorage]]:
    """Opens a storage that has one function, `work`; all storages of a test have the same prefix."""
    prefix = uuid.uuid4().hex

    @asynccontextmanager
    async def opened(url: str, **options: Any) -> AsyncIterator[RedisStorage]:
        storage = RedisStorage(url, RedisOptions(**({"prefix": prefix} | options)))
        await storage.open()
        try:
            await storage.put_function(make_function("work"))
            yield storage
        finally:
            await storage.close()

    return opened
