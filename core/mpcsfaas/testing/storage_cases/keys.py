"""API keys: what gateways know of them is kept as it is."""

from mpcsfaas.testing.storage_cases.world import Contract, World, case

EVERY_BYTE = bytes(range(256))


class KeyCases(Contract):
    """`put_key`, `list_keys`, `delete_key`."""

    @case
    async def test_there_are_no_keys_at_first(self, world: World) -> None:
        assert await world.storage.list_keys() == {}

    @case
    async def test_a_key_is_kept_as_it_is_and_replaced(self, world: World) -> None:
        await world.storage.put_key("a", EVERY_BYTE)
        await world.storage.put_key("b", b"")
        assert await world.storage.list_keys() == {"a": EVERY_BYTE, "b": b""}
        await world.storage.put_key("a", b"new")
        assert await world.storage.list_keys() == {"a": b"new", "b": b""}

    @case
    async def test_a_deleted_key_is_gone(self, world: World) -> None:
        await world.storage.put_key("a", b"record")
        await world.storage.put_key("b", b"record")
        assert await world.storage.delete_key("a") is True
        assert await world.storage.list_keys() == {"b": b"record"}
        assert await world.storage.delete_key("a") is False
        assert await world.storage.delete_key("unknown") is False
