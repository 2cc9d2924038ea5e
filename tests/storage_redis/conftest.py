"""One server for all tests that leave it alone; each test has a prefix of its own there."""

import os
from collections.abc import Iterator

import pytest

from mpcsfaas.testing.redis_server import RedisServer


@pytest.fixture(scope="session", autouse=True)
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A server that keeps nothing."""
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        os.environ["MPCSFAAS_TEST_REDIS"] = server.url
        yield server
        del os.environ["MPCSFAAS_TEST_REDIS"]
