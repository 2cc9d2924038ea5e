"""Data as JSON, for callers without Python."""

import json
from typing import Any, ClassVar

import msgspec

from mpcsfaas.errors import InvalidPayload
from mpcsfaas.hookspecs import hookimpl
from mpcsfaas.interfaces import Serializer
from mpcsfaas_serializers.structured import StructuredSerializer

MPCSFAAS_API_VERSION = 1

WHITESPACE = b" \t\r\n"
LAST_BYTES = {
    b"{": b"}",
    b"[": b"]",
    b'"': b'"',
    b"t": b"e",
    b"f": b"e",
    b"n": b"l",
    **{b"%c" % digit: b"0123456789" for digit in b"-0123456789"},
}
"""For each byte that JSON can begin with: those that it can then end with."""
QUICK_WINDOW = 64
"""How much of either end the quick check looks at."""


class JsonSerializer(StructuredSerializer):
    """Carries None, bool, int (to 4,300 digits), finite float, str, list, and dict with str keys.

    Written too, but read back as their nearest of the above: tuple, set and frozenset as a list, dataclass as a dict, a
    number as a key, Enum as its value; bytes as base64 text; Decimal, UUID, datetime, date, time and timedelta as text.
    Infinite floats and NaN are refused, for JSON has no word for them.
    """

    name: ClassVar[str] = "json"

    def _encode(self, value: Any) -> bytes:
        data = msgspec.json.encode(value)
        if b"null" in data:  # msgspec writes it for NaN and the infinities, too
            json.dumps(msgspec.to_builtins(value, str_keys=True), allow_nan=False)
        return data

    def _decode(self, data: bytes) -> Any:
        return msgspec.json.decode(data)

    def check_quick(self, data: bytes) -> None:
        """Look at both ends."""
        begin, end = data[:QUICK_WINDOW].lstrip(WHITESPACE)[:1], data[-QUICK_WINDOW:].rstrip(WHITESPACE)[-1:]
        if not end or end not in LAST_BYTES.get(begin, b""):
            raise InvalidPayload(f"The payload is no whole JSON: it begins with {begin!r} and ends with {end!r}.")


@hookimpl
def mpcsfaas_serializers() -> list[type[Serializer]]:
    """Register."""
    return [JsonSerializer]
