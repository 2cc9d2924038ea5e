"""Data as msgpack: compact, and readable from any language."""

from typing import Any, ClassVar

import msgspec

from mpcsfaas.errors import InvalidPayload
from mpcsfaas.hookspecs import hookimpl
from mpcsfaas.interfaces import Serializer
from mpcsfaas_serializers.structured import StructuredSerializer

MPCSFAAS_API_VERSION = 1

NEVER_USED = 0xC1
LENGTH_FIELDS = {0xC4: 1, 0xC5: 2, 0xC6: 4, 0xD9: 1, 0xDA: 2, 0xDB: 4}
"""Strings and byte strings: how many bytes their length takes."""
FIXED_SIZES = {0xC0: 1, 0xC2: 1, 0xC3: 1, 0xCA: 5, 0xCB: 9} | {
    first + power: 1 + (1 << power) for first in (0xCC, 0xD0) for power in range(4)
}
"""Nil, booleans, floats and integers: their whole size."""


class MsgpackSerializer(StructuredSerializer):
    """Carries None, bool, int from -2**63 to 2**64-1, float, str, bytes, list, dict, and aware datetime (back in UTC).

    A dict's keys may be any of these but list and dict. Written too, but read back as their nearest of the above:
    tuple, set and frozenset as a list, bytearray as bytes, dataclass as a dict, Enum as its value; Decimal, UUID, naive
    datetime, date, time and timedelta as text.
    """

    name: ClassVar[str] = "msgpack"

    def _encode(self, value: Any) -> bytes:
        return msgspec.msgpack.encode(value)

    def _decode(self, data: bytes) -> Any:
        return msgspec.msgpack.decode(data)

    def check_quick(self, data: bytes) -> None:
        """Look at the first byte, and at the size that it promises."""
        if not data or data[0] == NEVER_USED:
            raise InvalidPayload(
                "The payload is no msgpack: it is empty or begins with a byte that msgpack never uses."
            )
        least, most = _size_bounds(data)
        if not least <= len(data) or (most is not None and len(data) > most):
            raise InvalidPayload(
                f"The payload is no whole msgpack: its {len(data)} bytes are not the {least} that it begins."
            )


def _size_bounds(data: bytes) -> tuple[int, int | None]:
    """The least and the greatest size that the first value can have."""
    first = data[0]
    if first <= 0x7F or first >= 0xE0:
        return 1, 1
    if 0xA0 <= first <= 0xBF:
        return first - 0x9F, first - 0x9F
    if first in FIXED_SIZES:
        return FIXED_SIZES[first], FIXED_SIZES[first]
    if first in LENGTH_FIELDS:
        width = LENGTH_FIELDS[first]
        size = 1 + width + int.from_bytes(data[1 : 1 + width], "big")
        return size, size
    return _least_container_size(data), None


def _least_container_size(data: bytes) -> int:
    """The least size of an array or a map, each of whose parts takes a byte or more, or of an extension."""
    first = data[0]
    if first <= 0x9F:
        return 1 + (first & 0xF) * (1 if first >= 0x90 else 2)
    if first in (0xDC, 0xDD, 0xDE, 0xDF):
        width = 4 if first & 1 else 2
        return 1 + width + int.from_bytes(data[1 : 1 + width], "big") * (1 if first <= 0xDD else 2)
    return 3


@hookimpl
def mpcsfaas_serializers() -> list[type[Serializer]]:
    """Register."""
    return [MsgpackSerializer]
