"""What a client remembers: how it serialises, which functions the gateway has, how its tasks are to be run."""

import builtins
import threading
import time
from collections.abc import Callable, Mapping
from types import BuiltinFunctionType, FunctionType
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from mpcsfaas.client.chaining import chained
from mpcsfaas.client.payloads import PackedFunction, Payloads
from mpcsfaas.client.tracing import current_traceparent
from mpcsfaas.model import new_task_id

MAX_PACKED = 1024
"""How many functions are kept serialised, to register them again with a gateway that forgot them."""

_STATELESS = (FunctionType, BuiltinFunctionType, type)
"""What is serialised once. Anything else (a bound method, a partial, a callable object) may change between calls."""


class NewTask(NamedTuple):
    """A task that is to be submitted: its function, and the item that is sent."""

    id: str
    function: PackedFunction
    item: dict[str, Any]


class Registry:
    """The functions of a client and its `with_options` variants. Thread-safe."""

    def __init__(self, payloads: Payloads) -> None:
        self.payloads = payloads
        self.registered: set[str] = set()
        """Ids that the gateway has, as far as we know."""
        self._packed: dict[str, PackedFunction] = {}
        self._by_callable: WeakKeyDictionary[Callable[..., Any], PackedFunction] = WeakKeyDictionary()
        self._lock = threading.Lock()

    def pack(self, function: Callable[..., Any], name: str | None = None) -> PackedFunction:
        """Serialise a function as it is now. Raises `SerializationError`."""
        packed = self.payloads.pack(function, name)
        with self._lock:
            self._packed[packed.id] = packed
            if len(self._packed) > MAX_PACKED:
                del self._packed[next(iter(self._packed))]
            if isinstance(function, _STATELESS):
                self._by_callable[function] = packed
        return packed

    def find(self, function: Callable[..., Any] | str) -> PackedFunction:
        """A function as it was serialised first, or by its id."""
        if isinstance(function, str):
            return self._packed.get(function) or PackedFunction(function)
        if isinstance(function, _STATELESS):
            return self._by_callable.get(function) or self.pack(function)
        return self.pack(function)


class Session(NamedTuple):
    """A client's state as the operations see it. `timeout` is in seconds."""

    registry: Registry
    timeout: float
    options: Mapping[str, Any] = {}
    clock: Callable[[], float] = time.monotonic

    def new_task(self, function: Callable[..., Any] | str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> NewTask:
        """Serialise a call; tasks among its arguments become its parents.

        Raises `SerializationError`, or `TypeError` for what cannot be called.
        """
        function, options = self._resolve(function)
        args, kwargs, parents = chained(args, kwargs)
        packed = self.registry.find(function)
        payloads = self.registry.payloads
        task_id = new_task_id()
        item = {
            "task_id": task_id,
            "function_id": packed.id,
            "payload": payloads.dumps_call(args, kwargs),
            "serializer": payloads.name,
            **options,
        }
        if parents:
            item["after"] = [*options.get("after", ()), *parents]
        if traceparent := current_traceparent():
            item.setdefault("traceparent", traceparent)
        return NewTask(task_id, packed, item)

    def _resolve(self, function: Callable[..., Any] | str) -> tuple[Callable[..., Any] | str, Mapping[str, Any]]:
        """Look through a decorated function, whose options come before the client's."""
        options = getattr(function, "task_options", None)
        if options is not None:
            return function.function, {**self.options, **options}  # type: ignore[union-attr]
        if not (isinstance(function, str) or builtins.callable(function)):
            raise TypeError(
                f"Neither a function nor a function id: {function!r}. Pass a callable, or what register() gave."
            )
        return function, self.options
