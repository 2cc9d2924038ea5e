"""A contract that cannot be broken proves nothing.

These storages break one promise each, and are made of the real ones. Each must fail the case of the contract that is
about its promise, and the state machine.
"""

import tempfile
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from msgspec.structs import replace

from mpcsfaas.interfaces import Storage
from mpcsfaas.interfaces.storage import Enqueued, EnqueueStatus, StorageOptions
from mpcsfaas.model import Attempt, State, Task, Transition
from mpcsfaas.testing.storage_contract import StorageContract
from mpcsfaas.testing.storage_machine import StorageMachine
from mpcsfaas_storage_memory import MemoryStorage
from mpcsfaas_storage_sqlite import SqliteOptions, SqliteStorage
from mpcsfaas_storage_sqlite.rows import many
from mpcsfaas_storage_sqlite.schema import COMPLETED, READY
from mpcsfaas_storage_sqlite.transaction import Transaction, each


class Losing(Storage):
    """Says that it accepted the last task of a batch, and forgets it."""

    async def enqueue(self, tasks: Sequence[Task]) -> list[Enqueued]:
        kept = await super().enqueue(tasks[:-1])  # type: ignore[safe-super]
        return [*kept, *(Enqueued(EnqueueStatus.ACCEPTED, task.id) for task in tasks[-1:])]


class Duplicating(Storage):
    """Gives an attempt to the next who claims, too."""

    given: list[Attempt] | None = None

    async def claim(
        self, dispatcher_id: str, limit: int, lease: float, labels: Collection[frozenset[str]] = (frozenset(),)
    ) -> list[Attempt]:
        attempts = await super().claim(dispatcher_id, limit, lease, labels)  # type: ignore[safe-super]
        again, self.given = self.given or [], attempts[:1]
        return again + attempts


class IgnoringAttempt(Storage):
    """Takes a late outcome of an old attempt for one of the present attempt."""

    async def finish(self, transitions: Sequence[Transition]) -> list[bool]:
        records = await self.get_tasks([transition.key.task_id for transition in transitions])
        renumbered = [
            replace(transition, key=transition.key._replace(number=record.attempt)) if record else transition
            for transition, record in zip(transitions, records, strict=True)
        ]
        return await super().finish(renumbered)  # type: ignore[safe-super]


class DroppingArguments(MemoryStorage):
    """Drops the payload of a task that failed, so that it cannot be done again."""

    async def get_payloads(self, task_ids: Sequence[str]) -> list[bytes | None]:
        records = await self.get_tasks(task_ids)
        payloads = await super().get_payloads(task_ids)
        pairs = zip(payloads, records, strict=True)
        return [None if record and record.state is State.FAILED else payload for payload, record in pairs]


class LosingMemory(Losing, MemoryStorage): ...


class DuplicatingMemory(Duplicating, MemoryStorage): ...


class IgnoringAttemptMemory(IgnoringAttempt, MemoryStorage): ...


class RevivingMemory(MemoryStorage):
    """Puts an ended task back into the queue when its outcome is told again."""

    async def finish(self, transitions: Sequence[Transition]) -> list[bool]:
        applied = await super().finish(transitions)
        for transition, is_applied in zip(transitions, applied, strict=True):
            entry = self._entries.get(transition.key.task_id)
            if entry and not is_applied and entry.state.is_terminal:
                entry.state = State.QUEUED
        return applied


class UnboundedMemory(MemoryStorage):
    """Knows nothing of quotas of queued tasks."""

    async def enqueue(self, tasks: Sequence[Task]) -> list[Enqueued]:
        return await super().enqueue([_without(task, "max_queued") for task in tasks])


class UnheldMemory(MemoryStorage):
    """Knows nothing of quotas of running tasks."""

    async def enqueue(self, tasks: Sequence[Task]) -> list[Enqueued]:
        return await super().enqueue([_without(task, "max_running") for task in tasks])


def _without(task: Task, bound: str) -> Task:
    return replace(task, quota=task.quota and replace(task.quota, **{bound: None}))


class LosingSqlite(Losing, SqliteStorage): ...


class DuplicatingSqlite(Duplicating, SqliteStorage): ...


class IgnoringAttemptSqlite(IgnoringAttempt, SqliteStorage): ...


class RevivingSqlite(SqliteStorage):
    """Puts an ended task back into the queue when its outcome is told again."""

    async def finish(self, transitions: Sequence[Transition]) -> list[bool]:
        applied = await super().finish(transitions)
        told_again = [
            transition.key.task_id
            for transition, is_applied in zip(transitions, applied, strict=True)
            if not is_applied
        ]
        await self._write(revive, told_again)
        return applied


@each
def revive(transaction: Transaction, task_ids: Sequence[str]) -> None:
    transaction.execute(
        f"UPDATE task SET phase = {READY} WHERE phase >= {COMPLETED} AND id IN (SELECT value FROM json_each(?))",
        many(task_ids),
    )


BROKEN: dict[type[Storage], str] = {
    LosingMemory: "test_a_large_batch_is_accepted_in_order",
    LosingSqlite: "test_a_large_batch_is_accepted_in_order",
    DuplicatingMemory: "test_no_two_claims_get_the_same_attempt",
    DuplicatingSqlite: "test_no_two_claims_get_the_same_attempt",
    IgnoringAttemptMemory: "test_only_the_present_attempt_may_finish",
    IgnoringAttemptSqlite: "test_only_the_present_attempt_may_finish",
    RevivingMemory: "test_repeating_an_applied_transition_is_fenced",
    DroppingArguments: "test_a_payload_is_kept_while_it_may_be_needed",
    UnboundedMemory: "test_a_claim_gives_the_quota_with_the_task",
    UnheldMemory: "test_no_more_start_than_may_run",
    RevivingSqlite: "test_repeating_an_applied_transition_is_fenced",
}
"""Every broken storage, with the case of the contract that is about the promise it breaks."""


def make(storage: type[Storage], folder: str, clock: Callable[[], float]) -> Storage:
    """An instance, with its data in `folder` if it has any."""
    if issubclass(storage, SqliteStorage):
        return storage(f"sqlite:///{folder}/storage.db", SqliteOptions(), clock)
    return storage("memory://", StorageOptions(), clock)


@pytest.mark.parametrize("broken", BROKEN, ids=lambda storage: storage.__name__)
def test_a_broken_storage_fails_its_case_of_the_contract(broken: type[Storage], tmp_path: Path) -> None:
    class Contract(StorageContract):
        def make(self, folder: Path, clock: Callable[[], float], max_unfinished: int) -> Storage:
            return make(broken, str(folder), clock)

    with pytest.raises(AssertionError):
        getattr(Contract(), BROKEN[broken])(tmp_path)


@pytest.mark.parametrize("broken", BROKEN, ids=lambda storage: storage.__name__)
def test_a_broken_storage_fails_the_machine(broken: type[Storage]) -> None:
    class Machine(StorageMachine):
        folder: ClassVar[str]

        def make(self, clock: Callable[[], float]) -> Storage:
            return make(broken, tempfile.mkdtemp(dir=self.folder), clock)

        def make_oracle(self, clock: Callable[[], float]) -> Storage:
            return make(MemoryStorage, "", clock)

    with tempfile.TemporaryDirectory() as Machine.folder, pytest.raises(AssertionError):
        run_state_machine_as_test(Machine, settings=FIND)


FIND = settings(max_examples=500, deadline=None, database=None, phases=[Phase.generate], report_multiple_bugs=False)
"""Looks for a failure, and is content with the first."""
