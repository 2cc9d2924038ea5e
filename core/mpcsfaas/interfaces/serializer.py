"""Object ↔ bytes, and a check of bytes that executes nothing."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

from mpcsfaas.errors import InvalidPayload


class Serializer(ABC):
    """Turns objects into bytes and back.

    Importing a serializer's module must not import the library it wraps: gateways load serializers to check bytes, and
    must stay free of unpicklers. Import inside `dumps` and `loads`.
    """

    name: ClassVar[str]
    """The word that users type, and that is stored beside every payload."""
    carries_functions: ClassVar[bool]
    """True when callables can be serialised, not only data."""

    @abstractmethod
    def version(self) -> str:
        """Version of the wrapped library, read from metadata without importing it."""

    @abstractmethod
    def check(self, data: bytes) -> None:
        """Prove that `data` is whole and well-formed, without executing or importing anything of it.

        Raises `InvalidPayload`, saying what is wrong and where.
        """

    @abstractmethod
    def check_quick(self, data: bytes) -> None:
        """As `check`, but in constant time: catches what was never serialised or was cut off, not every damage.

        Raises `InvalidPayload`.
        """

    @abstractmethod
    def dumps(self, value: Any) -> bytes:
        """Serialise `value`. Raises `SerializationError`, naming the type that cannot be serialised and why."""

    @abstractmethod
    def loads(self, data: bytes) -> Any:
        """Deserialise `data`; for picklers this runs code that `data` names, so only workers and clients call it.

        Raises whatever the payload's own code raises, or `InvalidPayload`.
        """

    def dumps_call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bytes:
        """Serialise a task's arguments: the pair `(args, kwargs)`. Raises `SerializationError`."""
        return self.dumps((args, kwargs))

    def loads_call(self, data: bytes) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Inverse of `dumps_call`. Raises as `loads`, and `InvalidPayload` if `data` is no such pair."""
        match self.loads(data):
            case (list() | tuple() as args, dict() as kwargs) if all(isinstance(key, str) for key in kwargs):
                return tuple(args), kwargs
        raise InvalidPayload(
            f"The arguments are no pair of positional and keyword arguments; write them with {self.name}'s dumps_call."
        )
