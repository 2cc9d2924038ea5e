"""What msgpack and JSON carry, turn into something near, or refuse."""

import dataclasses
import enum
import math
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from mpcsfaas.errors import InvalidPayload, SerializationError
from mpcsfaas_serializers.json import JsonSerializer
from mpcsfaas_serializers.msgpack import MsgpackSerializer


@dataclasses.dataclass
class Point:
    x: float
    y: float


class Colour(enum.Enum):
    RED = "red"


NOON = datetime(2024, 2, 29, 12, tzinfo=UTC)
ONE_WAY_IN_BOTH: list[tuple[Any, Any]] = [
    ((1, 2), [1, 2]),
    ({3}, [3]),
    (frozenset({3}), [3]),
    (Point(1, 2), {"x": 1, "y": 2}),
    (Colour.RED, "red"),
    (Decimal("1.50"), "1.50"),
    (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
    (date(2024, 2, 29), "2024-02-29"),
    (NOON.replace(tzinfo=None), "2024-02-29T12:00:00"),
    (timedelta(days=1), "P1D"),
]


@pytest.mark.parametrize("serializer", [MsgpackSerializer(), JsonSerializer()], ids=["msgpack", "json"])
@pytest.mark.parametrize(("value", "near"), ONE_WAY_IN_BOTH)
def test_turns_into_the_nearest(serializer: JsonSerializer, value: Any, near: Any) -> None:
    assert serializer.loads(serializer.dumps(value)) == near


@pytest.mark.parametrize(
    ("value", "near"),
    [(b"ab", "YWI="), (NOON, "2024-02-29T12:00:00Z"), ({1: 2, 1.5: 3}, {"1": 2, "1.5": 3})],
)
def test_json_turns_into_the_nearest(value: Any, near: Any) -> None:
    assert JsonSerializer().loads(JsonSerializer().dumps(value)) == near


def test_msgpack_gives_moments_back_in_utc() -> None:
    elsewhere = NOON.astimezone(timezone(timedelta(hours=5, minutes=30)))
    back = MsgpackSerializer().loads(MsgpackSerializer().dumps(elsewhere))
    assert (back, back.tzinfo) == (elsewhere, UTC)


def test_msgpack_never_runs_extensions() -> None:
    extension = MsgpackSerializer().loads(b"\xd4\x05x")
    assert (extension.code, extension.data) == (5, b"x")


@pytest.mark.parametrize("unwritable", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(
    "wrap", [lambda x: x, lambda x: [None, x], lambda x: {"k": (1, x)}, lambda x: Point(1, x), lambda x: {x}]
)
def test_json_refuses_floats_that_it_has_no_word_for(unwritable: float, wrap: Any) -> None:
    with pytest.raises(SerializationError, match=r"json cannot serialise a .*: Out of range float"):
        JsonSerializer().dumps(wrap(unwritable))


@pytest.mark.parametrize("innocent", [None, "null", {"null": None}, [None, 1.5, Point(1, 2), b"x", NOON, {1: None}]])
def test_json_writes_null_where_it_was_meant(innocent: Any) -> None:
    assert b"null" in JsonSerializer().dumps(innocent)


def test_json_carries_integers_of_any_usual_size() -> None:
    for number in (2**53 + 1, 2**64, -(2**70), 10**4299):
        assert JsonSerializer().loads(JsonSerializer().dumps(number)) == number
    with pytest.raises(SerializationError, match=r"json cannot serialise a int: Exceeds the limit \(4300 digits\)"):
        JsonSerializer().dumps(10**4300)


def test_msgpack_says_which_integer_is_too_big() -> None:
    with pytest.raises(SerializationError, match=r"msgpack cannot serialise a int in item 'n' of the dict: can't ser"):
        MsgpackSerializer().dumps({"n": 2**64})


@pytest.mark.parametrize("serializer", [MsgpackSerializer(), JsonSerializer()], ids=["msgpack", "json"])
def test_refuses_what_it_does_not_carry(serializer: JsonSerializer) -> None:
    for value, kind in ((object(), "a object"), (1j, "a complex"), (len, "a builtin_function"), (Point, "type Point")):
        with pytest.raises(SerializationError, match=f"{serializer.name} cannot serialise {kind}"):
            serializer.dumps([value])
    with pytest.raises(SerializationError, match="surrogates not allowed"):
        serializer.dumps("\ud800")


@pytest.mark.parametrize(
    ("serializer", "data"),
    [
        (MsgpackSerializer(), b"\xa1\xff"),
        (MsgpackSerializer(), b"\x81\x80\xc0"),
        (MsgpackSerializer(), b"\xd4\xff\x00"),
        (MsgpackSerializer(), b"\x91" * 100_000 + b"\xc0"),
        (JsonSerializer(), b'"\xff"'),
        (JsonSerializer(), b"NaN"),
        (JsonSerializer(), b"1e999"),
        (JsonSerializer(), b"1" * 5000),
        (JsonSerializer(), b"[1,]"),
        (JsonSerializer(), b"[" * 100_000 + b"]" * 100_000),
    ],
)
def test_what_is_malformed_is_an_invalid_payload(serializer: JsonSerializer, data: bytes) -> None:
    for read in (serializer.check, serializer.loads, serializer.loads_call):
        with pytest.raises(InvalidPayload, match=f"no whole {serializer.name}"):
            read(data)


@pytest.mark.parametrize(
    ("serializer", "cut_off"),
    [
        *((MsgpackSerializer(), data) for data in (b"\xc1", b"\x92\x01", b"\xa3ab", b"\xc4\x03ab", b"\xcb\x00")),
        *((MsgpackSerializer(), data) for data in (b"\xdc\x00\x03\x01\x02", b"\x82\x01\x02\x03", b"\xd7\xff\x00")),
        *((MsgpackSerializer(), data) for data in (b"\xc7\x02\x05a", b"\xdb\x00")),
        *((JsonSerializer(), data) for data in (b"[1, 2", b'{"a": 1', b'"abc', b"tru", b"-", b"  ", b"[}")),
    ],
)  # fmt: skip
def test_quick_check_notices_what_was_cut_off(serializer: JsonSerializer, cut_off: bytes) -> None:
    with pytest.raises(InvalidPayload):
        serializer.check_quick(cut_off)


def test_json_calls_may_be_written_by_hand() -> None:
    serializer = JsonSerializer()
    written = b' [ [1, "two", null], {"three": [4.0]} ] \n'
    serializer.check_quick(written)
    assert serializer.loads_call(written) == ((1, "two", None), {"three": [4.0]})
