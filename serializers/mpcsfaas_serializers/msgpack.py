"""Data as msgpack: compact, and readable from any language."""

from typing import Any, ClassVar

import msgspec

from mpcsfaas.errors import InvalidPayload
from mpcsfaas.hookspecs import hookimpl
from mpcsfaas.interfaces import Serializer
from mpcsfaas_serializers.structured import StructuredSerializer

MPCSFAAS_API_VERSION = 1

NEVER_USED = 0xC1
LENGTH_FIELDS = {0xC4: 1, 0xC5: 2, 0xC6: 4, 0xC7: 1, 0xC8: 2, 0xC9: 4, 0xD9: 1, 0xDA: 2, 0xDB: 4}
"""Strings, byte strings and extensions: how many bytes their length takes."""
EXTENSIONS = range(0xC7, 0xCA)
"""Of these, those whose type takes a byte more."""
FIXED_SIZES = {
    0xC0: 1,
    0xC2: 1,
    0xC3: 1,
    0xCA: 5,
    0xCB: 9,
    **{first + power: 1 + (1 << power) for first in (0xCC, 0xD0) for power in range(4)},
    **{0xD4 + power: 2 + (1 << power) for power in range(5)},
}
"""Nil, booleans, floats, integers, and extensions of a fixed size: their whole size."""


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
            raise InvalidPayload("The payload is no msgpack: it is empty, or byte 0 is one that msgpack never uses.")
        size = _scalar_size(data)
        if len(data) != size if size else len(data) < _least_container_size(data):
            raise InvalidPayload(
                f"The payload is no whole msgpack: byte 0 begins a value of more or less than {len(data)} bytes."
            )


def _scalar_size(data: bytes) -> int:
    """The size of the value that `data` begins; 0 if it is an array or a map."""
    first = data[0]
    if first <= 0x7F or first >= 0xE0:
        return 1
    if 0xA0 <= first <= 0xBF:
        return first - 0x9F
    if first in LENGTH_FIELDS:
        width = LENGTH_FIELDS[first]
        return 1 + width + (first in EXTENSIONS) + int.from_bytes(data[1 : 1 + width], "big")
    return FIXED_SIZES.get(first, 0)


def _least_container_size(data: bytes) -> int:
    """The least size of the array or map that `data` begins, each of whose parts takes a byte or more."""
    first = data[0]
    if first <= 0x9F:
        return 1 + (first & 0xF) * (1 if first >= 0x90 else 2)
    width = 4 if first & 1 else 2
    return 1 + width + int.from_bytes(data[1 : 1 + width], "big") * (1 if first <= 0xDD else 2)


@hookimpl
def mpcsfaas_serializers() -> list[type[Serializer]]:
    """Register."""
    return [MsgpackSerializer]
