"""Functions: kept, listed, deleted, and still there for the tasks that were accepted before."""

from msgspec.structs import replace

from mpcsfaas.interfaces import Storage
from mpcsfaas.interfaces.storage import EnqueueStatus
from mpcsfaas.model import Function
from mpcsfaas.testing.storage_cases.world import Contract, World, case, make_function


class FunctionCases(Contract):
    """`put_function`, `get_function`, `list_functions`, `delete_function`."""

    @case
    async def test_a_function_is_kept_as_it_is(self, world: World) -> None:
        assert await world.storage.get_function(world.function.id) == world.function

    @case
    async def test_an_unknown_function_is_none(self, world: World) -> None:
        assert await world.storage.get_function(make_function("unknown").id) is None
        assert await world.storage.get_function("no uuid", include_deleted=True) is None

    @case
    async def test_putting_a_function_again_changes_nothing(self, world: World) -> None:
        assert await world.storage.put_function(replace(world.function, created_at=99.0)) is False
        assert await world.storage.get_function(world.function.id) == world.function

    @case
    async def test_a_large_function_is_kept(self, world: World) -> None:
        large = make_function("large", bytes(range(256)) * 4096)
        assert await world.storage.put_function(large) is True
        assert await world.storage.get_function(large.id) == large

    @case
    async def test_functions_are_listed_without_payload_each_once_over_all_pages(self, world: World) -> None:
        functions = [world.function, *(make_function(f"number {number}") for number in range(4))]
        for function in functions[1:]:
            assert await world.storage.put_function(function) is True
        listed = await list_functions(world.storage, limit=2)
        expected = [replace(function, payload=b"") for function in functions]
        assert sorted(listed, key=_by_name) == sorted(expected, key=_by_name)
        assert listed == await list_functions(world.storage, limit=3)

    @case
    async def test_a_last_page_that_is_full_has_no_cursor(self, world: World) -> None:
        await world.storage.put_function(make_function("second"))
        assert (await world.storage.list_functions(limit=2)).cursor is None

    @case
    async def test_a_deleted_function_is_hidden_but_kept(self, world: World) -> None:
        assert await world.storage.delete_function(world.function.id) is True
        assert await world.storage.get_function(world.function.id) is None
        assert await world.storage.get_function(world.function.id, include_deleted=True) == world.function
        assert (await world.storage.list_functions()).items == []
        assert (await world.storage.statistics()).functions == 0

    @case
    async def test_deleting_again_or_unknown_is_false(self, world: World) -> None:
        assert await world.storage.delete_function(world.function.id) is True
        assert await world.storage.delete_function(world.function.id) is False
        assert await world.storage.delete_function("unknown") is False

    @case
    async def test_a_deleted_function_refuses_new_tasks_and_runs_accepted_ones(self, world: World) -> None:
        (accepted,) = await world.accept()
        await world.storage.delete_function(world.function.id)
        (answer,) = await world.storage.enqueue([world.task()])
        assert answer.status is EnqueueStatus.UNKNOWN_FUNCTION
        assert [attempt.task for attempt in await world.claim()] == [accepted]

    @case
    async def test_a_repeated_task_of_a_deleted_function_is_a_duplicate(self, world: World) -> None:
        (accepted,) = await world.accept()
        await world.storage.delete_function(world.function.id)
        (answer,) = await world.storage.enqueue([accepted])
        assert answer.status is EnqueueStatus.DUPLICATE

    @case
    async def test_a_deleted_function_can_be_put_again(self, world: World) -> None:
        await world.storage.delete_function(world.function.id)
        again = replace(world.function, created_at=99.0)
        assert await world.storage.put_function(again) is True
        assert await world.storage.get_function(again.id) == again
        assert (await world.storage.statistics()).functions == 1
        await world.accept()


async def list_functions(storage: Storage, limit: int) -> list[Function]:
    """Every page, joined."""
    page = await storage.list_functions(limit=limit)
    functions = list(page.items)
    while page.cursor is not None:
        page = await storage.list_functions(page.cursor, limit)
        functions += page.items
    return functions


def _by_name(function: Function) -> str:
    return function.name
