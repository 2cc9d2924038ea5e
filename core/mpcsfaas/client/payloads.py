"""Objects to bytes and back, on the client's side."""

import pickle
import sys
from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any, NamedTuple, Protocol

from mpcsfaas.client import own_classes
from mpcsfaas.client.culprit import explain
from mpcsfaas.client.installed import OwnModules
from mpcsfaas.errors import SerializationError
from mpcsfaas.model import function_id

DEFAULT_SERIALIZER = "cloudpickle"
DATA_ONLY = ("json", "msgpack")
"""Serializers whose bytes can be read without running any code."""
PROTOCOL = 5
SIMPLE = frozenset({int, float, complex, str, bytes, bool, type(None)})
"""Types, not their subclasses, that any pickler writes the same way."""
PYTHON_VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"


class Codec(Protocol):
    """What the client needs of a serializer; every `mpcsfaas.interfaces.Serializer` is one."""

    def version(self) -> str:
        """Version of the wrapped library."""

    def dumps(self, value: Any) -> bytes:
        """Serialise."""

    def dumps_call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bytes:
        """Serialise a task's arguments."""

    def loads(self, data: bytes) -> Any:
        """Deserialise."""


class PackedFunction(NamedTuple):
    """A function as it is registered. Without a payload it is known by its id only."""

    id: str
    name: str = ""
    serializer: str = ""
    payload: bytes = b""
    serializer_version: str = ""


class ByValueCodec:
    """The cloudpickle serializer as the client uses it: the user's own modules travel by value.

    Its bytes are those of the serializer `cloudpickle`. It does without that plugin, whose import costs more than a
    short script's whole run.
    """

    def __init__(self, own: OwnModules) -> None:
        self._own = own

    @cached_property
    def _dumps(self) -> Callable[[Any, OwnModules], bytes]:
        from mpcsfaas.client.by_value import dumps

        return dumps

    def version(self) -> str:
        """Version of cloudpickle."""
        from importlib.metadata import version

        return version("cloudpickle")

    def dumps(self, value: Any) -> bytes:
        """Serialise. Raises `SerializationError` that names the part which cannot be."""
        try:
            return self._dumps(value, self._own)
        except Exception as error:
            cause = str(error).partition("\n")[0] or type(error).__name__
            text = explain(value, lambda part: self._dumps(part, self._own))
            raise SerializationError(f"{text}: {cause}. {_NEXT_STEP}") from error

    def dumps_call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bytes:
        """Serialise a task's arguments; simple ones at once, which takes a quarter of the time."""
        if SIMPLE.issuperset(map(type, args)) and SIMPLE.issuperset(map(type, kwargs.values())):
            return pickle.dumps((args, kwargs), PROTOCOL)
        return self.dumps((args, kwargs))

    def loads(self, data: bytes) -> Any:
        """Deserialise; runs code that `data` names."""
        if own_classes.holds_classes(data):
            return own_classes.loads(data)
        return pickle.loads(data)  # noqa: S301 - the platform is the user's own


_NEXT_STEP = "Make it inside the function, or pass what it is made from."


class Payloads:
    """The serializers of one client."""

    def __init__(
        self, name: str, by_value: Iterable[str] = (), by_reference: Iterable[str] = (), data_only: bool = False
    ) -> None:
        """`data_only` if only plain data may be deserialised."""
        self.name = name
        self.data_only = data_only
        self._codecs: dict[str, Codec] = {DEFAULT_SERIALIZER: ByValueCodec(OwnModules(by_value, by_reference))}
        self._for_calls = self._codec(name)

    def pack(self, function: Callable[..., Any], name: str | None = None) -> PackedFunction:
        """Serialise a function. Raises `SerializationError`."""
        serializer = self.name if getattr(self._for_calls, "carries_functions", True) else DEFAULT_SERIALIZER
        codec = self._codec(serializer)
        title = name or getattr(function, "__name__", None) or type(function).__name__
        payload = codec.dumps(function)
        return PackedFunction(function_id(title, serializer, payload), title, serializer, payload, codec.version())

    def dumps_call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bytes:
        """Serialise a task's arguments. Raises `SerializationError`."""
        return self._for_calls.dumps_call(args, kwargs)

    def may_load(self, serializer: str) -> bool:
        """Whether what `serializer` wrote may be deserialised."""
        return not self.data_only or serializer in DATA_ONLY

    def loads(self, serializer: str, data: bytes) -> Any:
        """Deserialise what `serializer` wrote, and `may_load` allows.

        Raises `SerializationError` if it does not, `PluginError` if it is not installed, or what the data does.
        """
        if not self.may_load(serializer):
            raise SerializationError(f"What {serializer!r} wrote may run code, and this client reads plain data only.")
        return self._codec(serializer).loads(data)

    def _codec(self, name: str) -> Codec:
        codec = self._codecs.get(name)
        if codec is None:
            from mpcsfaas.plugins import load_serializer

            codec = self._codecs[name] = load_serializer(name)
        return codec
