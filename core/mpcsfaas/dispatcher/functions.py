"""The dispatcher's bounded cache of function bodies."""

from collections import OrderedDict
from collections.abc import Collection

from mpcsfaas.interfaces import Storage
from mpcsfaas.model import Function

CACHE_BYTES = 256 * 1024 * 1024


class FunctionCache:
    """Least recently used function bodies, at most `CACHE_BYTES` of them (and always the ones just asked for)."""

    def __init__(self, storage: Storage, limit: int = CACHE_BYTES) -> None:
        self._storage = storage
        self._limit = limit
        self._size = 0
        self._functions: OrderedDict[str, Function] = OrderedDict()

    async def get(self, function_ids: Collection[str]) -> dict[str, Function]:
        """The functions that exist, deleted ones included, by id. Raises `StorageUnavailable`."""
        found = {}
        for function_id in function_ids:
            function = self._functions.get(function_id) or await self._load(function_id)
            if function is not None:
                self._functions.move_to_end(function_id)
                found[function_id] = function
        self._shrink()
        return found

    async def _load(self, function_id: str) -> Function | None:
        function = await self._storage.get_function(function_id, include_deleted=True)
        if function is not None and function_id not in self._functions:
            self._functions[function_id] = function
            self._size += len(function.payload)
        return function

    def _shrink(self) -> None:
        while self._size > self._limit and len(self._functions) > 1:
            _, function = self._functions.popitem(last=False)
            self._size -= len(function.payload)
