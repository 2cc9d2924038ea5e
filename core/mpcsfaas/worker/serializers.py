"""The serializers a child may need, each imported when first asked for."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import import_module

from mpcsfaas.interfaces.serializer import Serializer


def import_paths(serializers: Sequence[Serializer]) -> dict[str, str]:
    """For each name where to find the class, as `module:Class`."""
    return {each.name: f"{type(each).__module__}:{type(each).__qualname__}" for each in serializers}


class LazySerializers:
    """Serializers by name."""

    def __init__(self, paths: Mapping[str, str]) -> None:
        self._paths = paths
        self._loaded: dict[str, Serializer] = {}

    def get(self, name: str) -> Serializer:
        """The serializer. Raises KeyError if there is none of that name."""
        serializer = self._loaded.get(name)
        return serializer or self._load(name)

    def warm_up(self) -> None:
        """Use each that works once, so that what it imports when it needs it is there."""
        for name in self._paths:
            with suppress(Exception):  # whoever asks for it later is told why
                serializer = self.get(name)
                serializer.loads(serializer.dumps((lambda: None) if serializer.carries_functions else None))

    def _load(self, name: str) -> Serializer:
        module, _, qualified_name = self._paths[name].partition(":")
        cls: type[Serializer] = getattr(import_module(module), qualified_name)
        self._loaded[name] = cls()
        return self._loaded[name]
