"""The platforms of the end-to-end suite: one for each pair of mode and storage, one at a time."""

from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest

from mpcsfaas.client import Client
from mpcsfaas.testing.deployment import Deployment
from mpcsfaas.testing.ledger import Ledger
from mpcsfaas.testing.platform import PlatformProcess
from mpcsfaas.testing.redis_server import RedisServer

PAIRS = list(product(["local", "pull", "push"], ["sqlite", "redis"]))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Session scope makes pytest sort the tests by platform, so that each is started once."""
    if "platform" in metafunc.fixturenames:
        connected = "extra_worker" in metafunc.fixturenames
        pairs = [pair for pair in PAIRS if pair[0] != "local" or not connected]
        metafunc.parametrize("platform", pairs, ids=map("-".join, pairs), indirect=True, scope="session")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the platforms that nobody asked for."""
    chosen = set(product(config.getoption("--modes"), config.getoption("--storages")))
    left_out = [item for item in items if _platform_of(item) not in chosen | {None}]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


def _platform_of(item: pytest.Item) -> tuple[str, str] | None:
    pair: tuple[str, str] | None = item.callspec.params.get("platform") if hasattr(item, "callspec") else None
    return pair


@pytest.fixture(scope="session")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="session")
def importable(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of the user's own with a module whose name nothing of ours may shadow."""
    folder = tmp_path_factory.mktemp("importable")
    (folder / "tests.py").write_text("def double(x):\n    return 2 * x\n")
    return folder


@pytest.fixture(scope="session")
def platform(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, importable: Path
) -> Iterator[Deployment]:
    """Three slots, of which one has a label; with `local`, all have it."""
    mode, storage = request.param
    url = f"{request.getfixturevalue('redis').url[:-1]}{PAIRS.index(request.param)}" if storage == "redis" else ""
    pool = ["--path", str(importable)]
    with Deployment(tmp_path_factory.mktemp(f"{mode}-{storage}"), mode, url) as deployment:
        deployment.gateway()
        if mode == "local":
            deployment.dispatcher("-w", "3", "--local-labels", "labelled", "--local-max-result", "12MB", *pool)
        else:
            deployment.dispatcher()
            deployment.worker(2, "--max-result", "12MB", *pool)
            deployment.worker(1, "--labels", "labelled", "--max-result", "12MB", *pool)
        yield deployment.start()


@pytest.fixture
def client(platform: Deployment) -> Iterator[Client]:
    with Client(platform.url) as client:
        yield client


@pytest.fixture
def extra_worker(platform: Deployment) -> Iterator[PlatformProcess]:
    """A worker with one slot for this test alone. With this fixture, a test runs only where workers connect."""
    with platform.worker(1) as worker:
        yield worker


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger")
