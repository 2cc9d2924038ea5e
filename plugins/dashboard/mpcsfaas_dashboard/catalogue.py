"""The functions that a look tells of: some of those that are registered, and those whose tasks are seen."""

from collections.abc import Set

from msgspec.structs import replace

from mpcsfaas.gateway.storage_view import StorageView
from mpcsfaas.model import Function

LISTED = 100
LEARNED = 50
"""Functions that one look fetches at most, as each comes with its payload; the next look goes on."""


class Catalogue:
    """Remembers functions from look to look, without their payloads, for as long as they are seen."""

    def __init__(self, view: StorageView) -> None:
        self._view = view
        self._known: dict[str, Function | None] = {}
        self._listed: frozenset[str] = frozenset()
        self.is_whole = True
        """False if more functions are registered than are listed."""

    async def look(self, seen: Set[str]) -> None:
        """List functions, and fetch those of `seen` that are not listed. Raises `StorageUnavailable`."""
        page = await self._view.list_functions(limit=LISTED)
        listed: dict[str, Function | None] = {function.id: function for function in page.items}
        self._known = listed | {one: self._known[one] for one in seen & self._known.keys() - listed.keys()}
        for function_id in sorted(seen - self._known.keys())[:LEARNED]:
            function = await self._view.get_function(function_id, include_deleted=True)
            self._known[function_id] = function and replace(function, payload=b"")
        self._listed = frozenset(listed)
        self.is_whole = page.cursor is None

    def name(self, function_id: str) -> str:
        """A function's name; empty if it is not known."""
        function = self._known.get(function_id)
        return function.name if function else ""

    def functions(self, busy: Set[str]) -> list[Function]:
        """Those that are listed, and those of `busy`."""
        wanted = (self._known.get(function_id) for function_id in self._listed | busy)
        return [function for function in wanted if function]
