"""Each case of the contract that is about quotas was seen to fail: here, by storages that break just that promise."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace

from mpcsfaas.errors import QuotaExceeded
from mpcsfaas.interfaces import Storage
from mpcsfaas.interfaces.storage import Enqueued, StorageOptions
from mpcsfaas.model import Quota, State, Task
from mpcsfaas.testing.storage_cases import quotas, world
from mpcsfaas.testing.storage_contract import SharedStorageContract
from mpcsfaas_storage_memory import MemoryStorage
from mpcsfaas_storage_memory.entry import Entry
from mpcsfaas_storage_sqlite import SqliteOptions, SqliteStorage
from mpcsfaas_storage_sqlite.owners import Owners


class Unlimited(Storage):
    """Forgets that there are quotas."""

    async def enqueue(self, tasks: Sequence[Task]) -> list[Enqueued]:
        return await super().enqueue([replace(task, quota=None) for task in tasks])  # type: ignore[safe-super]


class UnlimitedMemory(Unlimited, MemoryStorage): ...


class UnlimitedSqlite(Unlimited, SqliteStorage): ...


class Partial(MemoryStorage):
    """Accepts as much of a batch as there is room for."""

    async def enqueue(self, tasks: Sequence[Task]) -> list[Enqueued]:
        try:
            return await super().enqueue(tasks)
        except QuotaExceeded:
            await super().enqueue(tasks[:1])
            raise


class Common(MemoryStorage):
    """Has one quota for all."""

    async def enqueue(self, tasks: Sequence[Task]) -> list[Enqueued]:
        return await super().enqueue([replace(task, quota=_of_all(task.quota)) for task in tasks])


def _of_all(quota: Quota | None) -> Quota | None:
    return quota and replace(quota, owner="all")


class Greedy(MemoryStorage):
    """Refuses what is known already for want of room."""

    async def enqueue(self, tasks: Sequence[Task]) -> list[Enqueued]:
        wanted = [task.quota for task in tasks if task.quota]
        queued = (await self.statistics()).queued
        for quota in wanted:
            if quota.max_queued is not None and queued + len(wanted) > quota.max_queued:
                raise QuotaExceeded(quota.owner, quota.max_queued)
        return await super().enqueue(tasks)


class Silent(MemoryStorage):
    """Tells nobody that a held task is ready."""

    def _announce(self, entry: Entry) -> None:
        if entry.state is State.QUEUED:
            self._work.set()


class Growing(SqliteStorage):
    """Does not count that tasks leave RUNNING, so that what they held is held for ever."""


class NeverFewer(Owners):
    def count(self, owner: str, queued: int, running: int) -> None:
        super().count(owner, queued, max(running, 0))


def cases(of: type) -> list[str]:
    return [name for name in vars(of) if name.startswith("test_")]


QUEUED, RUNNING = cases(quotas.QueuedQuotaCases), cases(quotas.RunningQuotaCases)
SHARED = cases(quotas.SharedQuotaCases)
NO_ROOM_TAKEN = "test_what_is_not_accepted_takes_no_room"
BROKEN: list[tuple[type[Storage], str]] = [
    *((UnlimitedMemory, name) for name in (*QUEUED, *RUNNING) if name != NO_ROOM_TAKEN),
    *((UnlimitedSqlite, name) for name in SHARED),
    (Partial, "test_a_batch_over_the_quota_is_refused_as_a_whole"),
    (Partial, "test_a_large_batch_over_the_quota_is_refused_as_a_whole"),
    (Common, "test_each_owner_has_a_quota_of_its_own"),
    (Greedy, NO_ROOM_TAKEN),
    (Silent, "test_when_one_ends_the_wait_for_a_held_one_ends"),
    (Growing, "test_as_soon_as_one_has_ended_another_may_start"),
    (Growing, "test_a_lost_one_runs_until_that_is_told"),
    (Growing, "test_what_was_held_keeps_its_place"),
    (Growing, "test_a_held_task_can_be_cancelled"),
]


@pytest.mark.parametrize(("broken", "name"), BROKEN, ids=lambda value: getattr(value, "__name__", value))
def test_a_broken_storage_fails_its_case(
    broken: type[Storage], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Contract(SharedStorageContract):
        def make(self, folder: Path, clock: Callable[[], float], max_unfinished: int) -> Storage:
            if issubclass(broken, SqliteStorage):
                return broken(f"sqlite:///{folder}/storage.db", SqliteOptions(), clock)
            return broken("memory://", StorageOptions(), clock)

    monkeypatch.setattr(world, "PATIENCE", 1.0)
    if broken is Growing:
        monkeypatch.setattr("mpcsfaas_storage_sqlite.transaction.Owners", NeverFewer)
    with pytest.raises((AssertionError, ValueError, TimeoutError, QuotaExceeded, pytest.fail.Exception)):
        getattr(Contract(), name)(tmp_path)


def test_every_case_is_broken() -> None:
    assert {name for _, name in BROKEN} == {*QUEUED, *RUNNING, *SHARED}
