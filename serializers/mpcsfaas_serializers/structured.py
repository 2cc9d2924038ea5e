"""What the serializers for plain data formats, written and read by msgspec, have in common."""

from abc import abstractmethod
from importlib.metadata import version
from typing import Any, ClassVar

import msgspec

from mpcsfaas.errors import InvalidPayload, SerializationError
from mpcsfaas.interfaces import Serializer
from mpcsfaas_serializers.culprit import describe_refusal, parts_of_data, reason_of


class StructuredSerializer(Serializer):
    """Data only. Reading it executes nothing, so the full check is to read it."""

    carries_functions: ClassVar[bool] = False

    @abstractmethod
    def _encode(self, value: Any) -> bytes:
        """Write `value`; raises whatever the format's encoder raises."""

    @abstractmethod
    def _decode(self, data: bytes) -> Any:
        """Read `data`; raises whatever the format's decoder raises."""

    def version(self) -> str:
        """Version of msgspec."""
        return version("msgspec")

    def check(self, data: bytes) -> None:
        """Read all of it."""
        self.loads(data)

    def dumps(self, value: Any) -> bytes:
        """Serialise data."""
        try:
            return self._encode(value)
        except Exception as error:
            refusal = describe_refusal(value, error, self._encode, parts_of_data)
        raise SerializationError(f"{self.name} cannot serialise {refusal}")

    def loads(self, data: bytes) -> Any:
        """Deserialise; nothing of `data` is executed."""
        try:
            return self._decode(data)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise InvalidPayload(f"The payload is no whole {self.name}: {reason_of(error)}.") from None
