"""The opcode walk, held against the standard library's own table and unpickler."""

import io
import pickle
import pickletools
import resource
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpcsfaas.errors import InvalidPayload
from mpcsfaas_serializers.pickle_check import MAX_MARKS, check, check_quick
from mpcsfaas_serializers.pickle_opcodes import OPCODES

OUTSIDE = {"PERSID", "BINPERSID", "NEXT_BUFFER", "READONLY_BUFFER"}
PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)


class Point:
    def __init__(self, x: Any, y: Any) -> None:
        self.x, self.y = x, y


class Slotted:
    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __getstate__(self) -> tuple[None, dict[str, Any]]:
        return None, {"value": self.value}


class WithArguments(tuple[int, ...]):
    def __getnewargs_ex__(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return (tuple(self),), {}


def cyclic() -> list[Any]:
    item: list[Any] = []
    item.append((item, item, item, item))
    return item


OBJECTS = [
    Point(1, Point(None, "é")), Slotted(Point([1], {})), WithArguments((1, 2)), cyclic(), range(3), len, Point, 2**4000,
    -(2**70), "x" * 70_000, b"y" * 70_000, bytearray(300), list(range(3000)), {i: str(i) for i in range(2500)},
    set(range(2000)),
    frozenset("abc"), 1.5, float("inf"), True, "\ud800\n\\u0041", 300, 70_000, [[]] * 300, Exception("x"), {1: {2: {}}},
]  # fmt: skip


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("index", range(len(OBJECTS)))
def test_accepts_what_both_picklers_write(index: int, protocol: int) -> None:
    buffer = io.BytesIO()
    pickle._Pickler(buffer, protocol).dump(OBJECTS[index])
    for data in (pickle.dumps(OBJECTS[index], protocol), buffer.getvalue()):
        check(data)
        check_quick(data)
        check(pickletools.optimize(data))


def test_knows_every_opcode_that_a_whole_payload_can_hold() -> None:
    known = {(code, opcode.name) for code, opcode in OPCODES.items()}
    assert known == {(ord(code.code), code.name) for code in pickletools.opcodes if code.name not in OUTSIDE}


def test_moves_the_stack_as_the_standard_library_documents() -> None:
    for described in pickletools.opcodes:
        if described.name in OUTSIDE | {"MARK", "POP", "POP_MARK", "OBJ", "STOP", "PROTO", "FRAME"}:
            continue
        opcode = OPCODES[ord(described.code)]
        before = list(described.stack_before)
        to_mark = pickletools.markobject in before
        takes = before.index(pickletools.markobject) if to_mark else len(before)
        gives = len(described.stack_after)
        memo_write = opcode.takes and described.name in {"PUT", "BINPUT", "LONG_BINPUT"}
        expected = (1, 1, False) if memo_write else (takes, gives, to_mark)
        assert (opcode.takes, opcode.gives, opcode.to_mark) == expected, described.name


written = st.sampled_from(OBJECTS[:4] + OBJECTS[-12:]) | st.recursive(
    st.none() | st.integers() | st.text(max_size=5) | st.binary(max_size=5) | st.floats(),
    lambda part: st.lists(part) | st.tuples(part, part) | st.dictionaries(st.integers(), part),
    max_leaves=8,
)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    data = bytearray(pickle.dumps(draw(written), draw(st.sampled_from(PROTOCOLS))))
    for _ in range(draw(st.integers(0, 3))):
        data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    return bytes(data)


@settings(deadline=None, max_examples=600)
@given(damaged() | st.lists(st.sampled_from(sorted(OPCODES)), max_size=12).map(lambda codes: bytes([*codes, 46])))
def test_agrees_with_pickletools(data: bytes) -> None:
    """Accepted: what it disassembles, less the few things of which we demand more."""
    refusal = refusal_of(data)
    if refusal is None or not (any(word in refusal for word in STRICTER) or takes_a_mark(refusal, data)):
        assert disassembles(data) == (refusal is None), refusal


STRICTER = ("it can hold", "does not begin", "FRAME", "stray bytes", "of a memo of", "malformed line", "names protocol")


def takes_a_mark(refusal: str, data: bytes) -> bool:
    """Which pickletools takes for an item like any other; the unpickler does not."""
    return "from a stack of" in refusal and b"(" in data


def refusal_of(data: bytes) -> str | None:
    try:
        check(data)
    except InvalidPayload as refusal:
        return str(refusal)
    return None


def disassembles(data: bytes) -> bool:
    try:
        pickletools.dis(data, out=io.StringIO())
    except Exception:
        return False
    return True


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"", "empty"),
        (b".", "does not begin"),
        (b"\x80\x05", "does not begin"),
        (b"\x80\x06N.", "does not begin"),
        (b"\x80\x01N.", "does not begin"),
        (b"N", "byte 0, its last, is no STOP"),
        (b"\x80\x05N\xff.", "byte 3 is no opcode"),
        (b"\x80\x05Nx.", "byte 3 is no opcode"),
        (b"\x80\x05K.", "no STOP in its 4 bytes"),
        (b"\x80\x05N.N.", "STOP at byte 3 is followed by 2 stray bytes"),
        (b"\x80\x05NN.", "STOP at byte 4 leaves stray items"),
        (b"\x80\x05(N.", "STOP at byte 4 leaves stray items"),
        (b"\x80\x05(.", "STOP at byte 3 takes 1 from a stack of 0"),
        (b"\x80\x05e.", "APPENDS at byte 2 looks for a mark"),
        (b"\x80\x05h\x00.", "BINGET at byte 2 reads item 0 of a memo of 0"),
        (b"\x80\x05]r\xff\xff\xff\xff.", "LONG_BINPUT at byte 3 writes item 4294967295 of a memo of 0"),
        (b"\x80\x05\x95\xff\xff\xff\xff\xff\xff\xff\x7fN.", "FRAME at byte 2 needs 9223372036854775807 bytes, 2 are"),
        (b"\x80\x05\x8e\xff\xff\xff\xff\xff\xff\xff\xff.", "BINBYTES8 at byte 2 needs 18446744073709551615 bytes"),
        (b"\x80\x05\x8b\xff\xff\xff\xff.", "LONG4 at byte 2 has a negative length"),
        (b"\x80\x05\x8c\x01\xff.", "SHORT_BINUNICODE at byte 2 'utf-8' codec can't decode"),
        (b"I1x\n.", "INT at byte 0 has a malformed line"),
        (b"F1.5.\n.", "FLOAT at byte 0 could not convert"),
        (b"I" + b"1" * 10_000 + b"\n.", "INT at byte 0 has no end of line"),
        (b"S'a\n.", "STRING at byte 0 has a malformed line"),
        (b"Pname\n.", "does not begin"),
        (b"\x80\x05\x97.", "byte 2 is no opcode that it can hold"),
        (b"(" * (MAX_MARKS + 1) + b"N.", f"nests deeper than {MAX_MARKS} marks"),
    ],
)  # fmt: skip
def test_says_what_is_wrong_and_where(data: bytes, complaint: str) -> None:
    with pytest.raises(InvalidPayload) as refusal:
        check(data)
    assert complaint in str(refusal.value)


def test_quick_check_takes_the_same_time_for_any_size() -> None:
    """It reads both ends only: a bytes-like that refuses all else passes."""

    class Ends(bytes):
        def __getitem__(self, index: Any) -> Any:
            assert index in (0, 1, -1)
            return super().__getitem__(index)

    check_quick(Ends(pickle.dumps(list(range(1000)))))


HUGE_LENGTHS = """
import resource, sys
from mpcsfaas.errors import InvalidPayload
from mpcsfaas_serializers.cloudpickle import CloudpickleSerializer
from mpcsfaas_serializers.json import JsonSerializer
from mpcsfaas_serializers.msgpack import MsgpackSerializer
resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[1]),) * 2)
pickled, packed, text = CloudpickleSerializer(), MsgpackSerializer(), JsonSerializer()
size = bytes([255] * 7 + [127])
for code in (0x8E, 0x96, 0x8D, 0x95):
    hostile = bytes([0x80, 5, code]) + size + b"."
    try: pickled.check(hostile)
    except InvalidPayload: print("refused")
for code in (0xC6, 0xDB, 0xDD, 0xDF, 0xC9):
    for check in (packed.check, packed.check_quick):
        try: check(bytes([code, 255, 255, 255, 255, 1, 2]))
        except InvalidPayload: print("refused")
for serializer, opener in ((packed, b"\\x91"), (text, b"[")):
    try: serializer.check(opener * 10_000_000)
    except InvalidPayload: print("refused")
"""


def test_lengths_that_exceed_the_data_allocate_nothing() -> None:
    limit = 500 * 1024 * 1024
    assert resource.getrlimit(resource.RLIMIT_AS)[1] in (resource.RLIM_INFINITY, *range(limit, limit + 1))
    done = subprocess.run([sys.executable, "-c", HUGE_LENGTHS, str(limit)], capture_output=True, text=True, timeout=60)
    assert (done.stdout.split().count("refused"), done.stderr) == (16, "")
