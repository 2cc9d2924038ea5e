"""A sealed storage keeps the contract of all storages, and believes nothing that was put there without its key."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from mpcsfaas.interfaces import Storage
from mpcsfaas.interfaces.storage import StorageOptions
from mpcsfaas.model import Function, State, Task, TaskOptions, tenants_function_id
from mpcsfaas.sealing import FORGED_RESULT, FORGED_TASK, sealed, write_key
from mpcsfaas.testing.storage_cases.world import LEASE, complete, fail, make_function
from mpcsfaas.testing.storage_contract import SharedStorageContract
from mpcsfaas_storage_memory import MemoryStorage
from mpcsfaas_storage_memory.entry import Entry
from mpcsfaas_storage_sqlite import SqliteOptions, SqliteStorage


def key_in(folder: Path) -> Path:
    path = folder / "seal.key"
    if not path.exists():
        write_key(path)
    return path


class TestSealedSqlite(SharedStorageContract):
    def make(self, folder: Path, clock: Callable[[], float], max_unfinished: int) -> Storage:
        options = SqliteOptions(max_unfinished=max_unfinished)
        return sealed(SqliteStorage(f"sqlite:///{folder}/storage.db", options, clock), key_in(folder))


FUNCTION = make_function("work")
TASK = Task("task", FUNCTION.id, b"arguments", "dill", 1.0)

Scenario = Callable[[Storage, Storage], Awaitable[None]]


@pytest.fixture
def play(tmp_path: Path) -> Callable[[Scenario], None]:
    """Plays a scenario on a storage as an intruder has it, and as those with the key do."""

    def run(scenario: Scenario) -> None:
        async def whole() -> None:
            bare = MemoryStorage("memory://", StorageOptions())
            await bare.open()
            await bare.put_function(FUNCTION)
            await scenario(bare, sealed(bare, key_in(tmp_path)))

        asyncio.run(whole())

    return run


async def is_refused(bare: Storage, ours: Storage, task_id: str) -> bool:
    """Claimed by us, it is not to run, and has failed with the reason."""
    claimed = await ours.claim("dispatcher", 10, LEASE)
    (result,) = await ours.get_results([task_id])
    assert result is not None
    return not claimed and result.state is State.FAILED and result.failure == FORGED_TASK


def test_a_task_without_a_seal_does_not_run(play: Callable[[Scenario], None]) -> None:
    async def scenario(bare: Storage, ours: Storage) -> None:
        await bare.enqueue([TASK])
        assert await is_refused(bare, ours, TASK.id)

    play(scenario)


@pytest.mark.parametrize(
    "forge",
    [
        lambda kept: replace(kept, id="another"),
        lambda kept: replace(kept, id="another", function_id=make_function("evil").id),
        lambda kept: replace(kept, id="another", payload=kept.payload[:-1] + b"!"),
        lambda kept: replace(kept, id="another", serializer="json"),
    ],
)
def test_a_seal_is_good_for_its_task_alone(forge: Callable[[Task], Task], play: Callable[[Scenario], None]) -> None:
    async def scenario(bare: Storage, ours: Storage) -> None:
        await bare.put_function(make_function("evil"))
        await ours.enqueue([TASK])
        (attempt,) = await bare.claim("intruder", 1, LEASE)
        forged = forge(attempt.task)
        await bare.enqueue([forged])
        assert await is_refused(bare, ours, forged.id)

    play(scenario)


def test_a_task_whose_parents_were_changed_does_not_run(play: Callable[[Scenario], None]) -> None:
    async def scenario(bare: Storage, ours: Storage) -> None:
        assert isinstance(bare, MemoryStorage)
        child = replace(TASK, id="child", options=TaskOptions(after=(TASK.id,)))
        await ours.enqueue([TASK, child])
        await ours.cancel([TASK.id])
        kept = bare._entries["child"]
        genuine, kept.task = kept.task, replace(kept.task, options=TaskOptions())
        assert await is_refused(bare, ours, "child")
        bare._entries["child"] = Entry(genuine, 3, 0.0)
        assert [attempt.task for attempt in await ours.claim("dispatcher", 10, LEASE)] == [child]

    play(scenario)


def test_a_genuine_one_among_forged_ones_runs(play: Callable[[Scenario], None]) -> None:
    async def scenario(bare: Storage, ours: Storage) -> None:
        await bare.enqueue([replace(TASK, id="forged")])
        await ours.enqueue([TASK])
        assert [attempt.task for attempt in await ours.claim("dispatcher", 10, LEASE)] == [TASK]

    play(scenario)


def test_a_result_of_somebody_else_is_not_given_out(play: Callable[[Scenario], None]) -> None:
    async def scenario(bare: Storage, ours: Storage) -> None:
        for ending in (complete, fail):
            task = replace(TASK, id=ending.__name__)
            await ours.enqueue([task])
            (attempt,) = await bare.claim("intruder", 1, LEASE)
            await bare.finish([ending(attempt)])
            (result,) = await ours.get_results([task.id])
            assert result is not None
            assert (result.state, result.value, result.failure) == (State.FAILED, b"", FORGED_RESULT)

    play(scenario)


def test_one_tasks_result_is_not_anothers(play: Callable[[Scenario], None]) -> None:
    async def scenario(bare: Storage, ours: Storage) -> None:
        await ours.enqueue([TASK])
        (attempt,) = await ours.claim("dispatcher", 1, LEASE)
        await ours.finish([complete(attempt)])
        (stolen,) = await bare.get_results([TASK.id])
        assert stolen is not None
        await ours.enqueue([replace(TASK, id="another")])
        (attempt,) = await bare.claim("intruder", 1, LEASE)
        await bare.finish([complete(attempt, stolen.value)])
        (result,) = await ours.get_results(["another"])
        assert result is not None
        assert result.failure == FORGED_RESULT

    play(scenario)


def test_arguments_that_were_changed_are_not_tried_again(play: Callable[[Scenario], None]) -> None:
    async def scenario(bare: Storage, ours: Storage) -> None:
        await bare.enqueue([TASK])
        assert await ours.get_payloads([TASK.id, "unknown"]) == [None, None]

    play(scenario)


@pytest.mark.parametrize(
    "forge",
    [
        lambda function: replace(function, payload=b"other code"),
        lambda function: replace(function, name="another"),
        lambda function: replace(function, serializer="cloudpickle"),
        lambda function: replace(function, tenant="acme"),
        lambda function: replace(function, tenant="acme", public_id=function.id),
    ],
)
def test_other_code_under_an_id_is_none(
    forge: Callable[[Function], Function], play: Callable[[Scenario], None]
) -> None:
    async def scenario(bare: Storage, ours: Storage) -> None:
        function = make_function("other")
        await bare.put_function(forge(function))
        assert await ours.get_function(function.id, include_deleted=True) is None
        assert await ours.get_function(FUNCTION.id) == FUNCTION

    play(scenario)


def test_a_tenants_function_is_genuine(play: Callable[[Scenario], None]) -> None:
    async def scenario(bare: Storage, ours: Storage) -> None:
        function = replace(FUNCTION, id=tenants_function_id("acme", FUNCTION.id), tenant="acme", public_id=FUNCTION.id)
        await ours.put_function(function)
        assert await ours.get_function(function.id) == function

    play(scenario)
