"""The agent's bounded store of function bodies."""

from collections import OrderedDict
from collections.abc import Iterable

from mpcsfaas.model import Function

STORE_BYTES = 256 * 1024 * 1024


class FunctionStore:
    """The functions used last, at most `limit` bytes of them; the newest is kept whatever its size."""

    def __init__(self, limit: int = STORE_BYTES) -> None:
        self._limit = limit
        self._size = 0
        self._functions: OrderedDict[str, Function] = OrderedDict()

    def get(self, function_id: str) -> Function | None:
        """The function, which is then the one used last."""
        function = self._functions.get(function_id)
        if function is not None:
            self._functions.move_to_end(function_id)
        return function

    def add(self, functions: Iterable[Function]) -> None:
        """Keep functions, in place of those that were not used for longest."""
        for function in functions:
            self._drop(function.id)
            self._functions[function.id] = function
            self._size += len(function.payload)
            while self._size > self._limit and len(self._functions) > 1:
                self._drop(next(iter(self._functions)))

    def _drop(self, function_id: str) -> None:
        function = self._functions.pop(function_id, None)
        if function is not None:
            self._size -= len(function.payload)
