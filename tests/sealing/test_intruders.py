"""Somebody writes into the storage of a running platform: nothing of it is run, nothing of it is unpickled."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import dill
import pytest

from mpcsfaas.client import Client
from mpcsfaas.client.errors import TaskFailed
from mpcsfaas.interfaces import Storage
from mpcsfaas.model import Task, TaskOptions, new_task_id
from mpcsfaas.testing.command_line import CommandLine
from mpcsfaas.testing.deployment import Deployment
from mpcsfaas.testing.platform import PlatformProcess
from mpcsfaas.testing.storage_cases.world import LEASE, complete
from mpcsfaas_storage_sqlite import SqliteOptions, SqliteStorage


class Mark:
    """Unpickled, it leaves a mark."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return Path.touch, (self.path,)


@pytest.fixture
def deployment(tmp_path: Path) -> Iterator[Deployment]:
    (tmp_path / "state").mkdir()
    CommandLine(tmp_path / "state")("seal-key", str(tmp_path / "seal.key"))
    with Deployment(tmp_path, "local") as made:
        made.gateway("--seal-key", str(tmp_path / "seal.key"))
        yield made


def intrude(deployment: Deployment, act: Callable[[Storage], Awaitable[None]]) -> None:
    """Do something with the storage, without the key."""

    async def whole() -> None:
        storage = SqliteStorage(deployment.storage, SqliteOptions())
        await storage.open()
        await act(storage)
        await storage.close()

    asyncio.run(whole())


def dispatcher(deployment: Deployment, key: Path) -> PlatformProcess:
    return deployment.dispatcher("-w", "1", "--seal-key", str(key))


def test_work_goes_on_as_without_a_seal(deployment: Deployment, tmp_path: Path) -> None:
    dispatcher(deployment, tmp_path / "seal.key")
    with Client(deployment.start().url) as client:
        assert client.run(pow, 2, 10) == 1024
        with pytest.raises(ZeroDivisionError):
            client.run(divmod, 1, 0)
        assert list(client.map(abs, [-1, -2], progress=False)) == [1, 2]


def test_a_task_that_was_slipped_in_is_not_run(deployment: Deployment, tmp_path: Path) -> None:
    with Client(deployment.start().url) as client:
        function_id = client.register(abs)
        arguments = dill.dumps(((Mark(tmp_path / "mark"),), {}))
        task = Task(new_task_id(), function_id, arguments, "dill", 1.0, TaskOptions())

        async def slip_in(storage: Storage) -> None:
            await storage.enqueue([task])

        intrude(deployment, slip_in)
        dispatcher(deployment, tmp_path / "seal.key").start()
        with pytest.raises(TaskFailed, match="does not bear the seal"):
            client.result(task.id, timeout=30)
        assert not (tmp_path / "mark").exists()


def test_a_result_that_was_slipped_in_is_not_unpickled(deployment: Deployment, tmp_path: Path) -> None:
    with Client(deployment.start().url) as client:
        task = client.submit(abs, -1)
        task_id = task.id

        async def slip_in(storage: Storage) -> None:
            (attempt,) = await storage.claim("intruder", 1, LEASE)
            assert attempt.task.id == task_id
            await storage.finish([complete(attempt, dill.dumps(Mark(tmp_path / "mark")))])

        intrude(deployment, slip_in)
        with pytest.raises(TaskFailed, match="does not bear the seal"):
            task.result(30)
        assert not (tmp_path / "mark").exists()


def test_a_dispatcher_with_another_key_runs_nothing(deployment: Deployment, tmp_path: Path) -> None:
    """And says what is to be done, where it would otherwise be believed."""
    CommandLine(tmp_path / "state")("seal-key", str(tmp_path / "other.key"))
    dispatcher(deployment, tmp_path / "other.key")
    with (
        Client(deployment.start().url) as client,
        pytest.raises(TaskFailed, match="Compare the seal_key of all gateways and dispatchers"),
    ):
        client.run(abs, -1)
