"""Each case of the contract that is about parents was seen to fail: here, by storages that break just that promise."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace

from mpcsfaas.interfaces import Storage
from mpcsfaas.interfaces.storage import Enqueued, Statistics, StorageOptions
from mpcsfaas.model import State, Task, Transition
from mpcsfaas.testing.storage_cases import parents, world
from mpcsfaas.testing.storage_contract import SharedStorageContract
from mpcsfaas_storage_memory import MemoryStorage
from mpcsfaas_storage_memory.entry import Entry
from mpcsfaas_storage_sqlite import SqliteOptions, SqliteStorage, endings


class Orphaning(Storage):
    """Forgets who the parents are."""

    async def enqueue(self, tasks: Sequence[Task]) -> list[Enqueued]:
        orphans = [replace(task, options=replace(task.options, after=())) for task in tasks]
        return await super().enqueue(orphans)  # type: ignore[safe-super]


class OrphaningMemory(Orphaning, MemoryStorage): ...


class Endless(SqliteStorage):
    """Never hears that a parent has ended."""


class Trusting(MemoryStorage):
    """Accepts children of nobody."""

    async def enqueue(self, tasks: Sequence[Task]) -> list[Enqueued]:
        known = {*self._entries, *(task.id for task in tasks)}
        asked = [
            replace(task, options=replace(task.options, after=()))
            if not known.issuperset(task.options.after) or task.id in task.options.after
            else task
            for task in tasks
        ]
        return await super().enqueue(asked)


class Silent(MemoryStorage):
    """Tells nobody that a child is ready."""

    def _announce(self, entry: Entry) -> None:
        if entry.state is State.QUEUED:
            self._work.set()


class Persistent(MemoryStorage):
    """Holds every attempt, not the first alone."""

    async def finish(self, transitions: Sequence[Transition]) -> list[bool]:
        applied = await super().finish(transitions)
        for transition in transitions:
            entry = self._entries[transition.key.task_id]
            if transition.to is State.QUEUED and entry.parents:
                entry.attempt = 0
        return applied


class Impatient(MemoryStorage):
    """Has children start at once when their parents end."""

    async def finish(self, transitions: Sequence[Transition]) -> list[bool]:
        applied = await super().finish(transitions)
        for entry in self._entries.values():
            if entry.parents:
                entry.ready_at = 0.0
        return applied


class Resurrecting(MemoryStorage):
    """Has cancelled and failed children wait again."""

    async def finish(self, transitions: Sequence[Transition]) -> list[bool]:
        applied = await super().finish(transitions)
        for entry in self._entries.values():
            if entry.parents and entry.state is not State.RUNNING:
                entry.state, entry.attempt = State.QUEUED, 0
        return applied


class Duplicating(MemoryStorage):
    """Takes a repeated child for another."""

    async def enqueue(self, tasks: Sequence[Task]) -> list[Enqueued]:
        for task in tasks:
            if task.options.after:
                self._entries.pop(task.id, None)
        return await super().enqueue(tasks)


class Unsorted(MemoryStorage):
    """Puts children behind all others."""

    async def enqueue(self, tasks: Sequence[Task]) -> list[Enqueued]:
        answers = await super().enqueue(tasks)
        for entry in self._entries.values():
            if entry.parents:
                entry.position += 1_000_000
        return answers


class Uncounted(MemoryStorage):
    """Does not count what is held by parents."""

    async def statistics(self) -> Statistics:
        found = await super().statistics()
        held = sum(entry.waits_for_parents for entry in self._entries.values())
        return replace(found, queued=found.queued - held)


CASES = [name for name in vars(parents.ParentCases) if name.startswith("test_")]
SHARED = [name for name in vars(parents.SharedParentCases) if name.startswith("test_")]
BROKEN: list[tuple[type[Storage], str]] = [
    (OrphaningMemory, "test_a_task_is_held_until_all_its_parents_have_ended"),
    (OrphaningMemory, "test_parents_that_wait_hold_it_as_those_that_run"),
    (OrphaningMemory, "test_a_claim_gives_the_parents_with_the_task"),
    (OrphaningMemory, "test_a_parent_that_is_tried_again_has_not_ended"),
    (OrphaningMemory, "test_a_parent_that_ended_before_holds_nobody"),
    (OrphaningMemory, "test_a_batch_may_hold_parents_and_children_in_this_order"),
    (OrphaningMemory, "test_many_children_of_one_parent"),
    (OrphaningMemory, "test_many_parents_of_one_child"),
    (OrphaningMemory, "test_a_delay_may_pass_meanwhile"),
    (OrphaningMemory, "test_a_quota_holds_it_too"),
    (Endless, "test_parents_end_in_whatever_state"),
    (Trusting, "test_unknown_parents_are_refused"),
    (Trusting, "test_the_children_of_what_was_refused_are_refused"),
    (Duplicating, "test_a_repeated_child_is_a_duplicate_held_as_before"),
    (Resurrecting, "test_a_held_task_can_be_cancelled_and_stays_so"),
    (Resurrecting, "test_the_deadline_of_a_held_task_passes"),
    (Persistent, "test_only_the_first_attempt_is_held"),
    (Impatient, "test_a_delay_goes_on_after_the_parents_end"),
    (Unsorted, "test_labels_priority_and_place_are_kept"),
    (Uncounted, "test_a_held_task_counts_as_queued"),
    (Silent, "test_the_last_parents_end_ends_the_wait_for_work"),
    *((Endless, name) for name in SHARED),
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
    if broken is Endless:
        monkeypatch.setattr(endings, "parents_ended", lambda transaction, positions: None)
    with pytest.raises((AssertionError, ValueError, TimeoutError)):
        getattr(Contract(), name)(tmp_path)


def test_every_case_is_broken() -> None:
    assert {name for _, name in BROKEN} == {*CASES, *SHARED}
