"""The opcodes of pickle protocols 0 to 5: how long each is, and what it does to the unpickler's stack.

Written out here because the standard library's `pickletools` imports `pickle`, which a gateway must not.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import NamedTuple

MAX_LINE = 4096
"""Longest number or name that an opcode of protocol 0 may spell out."""

ArgumentEnd = Callable[[bytes, int], int]
"""Given the data and where an argument starts, says where it ends; raises ValueError if it is not well-formed."""


class Special(Enum):
    """What some opcodes do besides taking and giving stack items."""

    OPENS_MARK = auto()
    POPS = auto()
    READS_MEMO = auto()
    WRITES_MEMO = auto()
    EXTENDS_MEMO = auto()
    STOPS = auto()


class Opcode(NamedTuple):
    """One opcode. `takes` and `gives` count stack items; with `to_mark` it first takes all above the topmost mark."""

    name: str
    end: ArgumentEnd
    takes: int = 0
    gives: int = 0
    to_mark: bool = False
    special: Special | None = None


@dataclass(frozen=True, slots=True)
class Fixed:
    """An argument of `size` bytes."""

    size: int

    def __call__(self, data: bytes, start: int) -> int:
        """Where it ends."""
        return within(data, start, self.size)


def within(data: bytes, start: int, size: int) -> int:
    """The end of `size` bytes from `start`, which must lie inside the data."""
    if start + size > len(data):
        raise ValueError(f"needs {size} bytes, {len(data) - start} are left")
    return start + size


def counted(width: int, signed: bool = False) -> ArgumentEnd:
    """A little-endian length of `width` bytes, then as many bytes."""

    def end(data: bytes, start: int) -> int:
        body = within(data, start, width)
        size = int.from_bytes(data[start:body], "little", signed=signed)
        if size < 0:
            raise ValueError(f"has a negative length, {size}")
        return within(data, body, size)

    return end


def text(width: int) -> ArgumentEnd:
    """A counted string of UTF-8, in which lone surrogates are allowed."""
    body_end = counted(width)

    def end(data: bytes, start: int) -> int:
        stop = body_end(data, start)
        str(memoryview(data)[start + width : stop], "utf-8", "surrogatepass")
        return stop

    return end


def frame(data: bytes, start: int) -> int:
    """A frame's length; what it holds are opcodes, so only the length itself is passed over."""
    counted(8)(data, start)
    return start + 8


def protocol(data: bytes, start: int) -> int:
    """The number of the protocol."""
    end = within(data, start, 1)
    if data[start] > 5:
        raise ValueError(f"names protocol {data[start]}, but 5 is the newest")
    return end


def line(accepts: Callable[[bytes], object], limit: int | None = MAX_LINE) -> ArgumentEnd:
    """A line of text for which `accepts` is true, and raises no ValueError."""

    def end(data: bytes, start: int) -> int:
        stop = data.find(b"\n", start, None if limit is None else start + limit)
        if stop < 0:
            raise ValueError("has no end of line")
        if not accepts(data[start:stop]):
            raise ValueError("has a malformed line")
        return stop + 1

    return end


def lines(count: int) -> ArgumentEnd:
    """So many lines of UTF-8."""
    one = line(lambda name: name.decode() is not None)

    def end(data: bytes, start: int) -> int:
        for _ in range(count):
            start = one(data, start)
        return start

    return end


def is_integer(digits: bytes) -> bool:
    """Whether these are the decimal digits of an integer."""
    return digits.removeprefix(b"-").isdigit()


def is_long(digits: bytes) -> bool:
    """Whether this is an integer as protocol 0 writes long ones."""
    return is_integer(digits.removesuffix(b"L"))


def is_float(digits: bytes) -> bool:
    """Whether this is a float; ValueError if not."""
    return len(digits) < 64 and float(digits) is not None


def is_quoted(string: bytes) -> bool:
    """Whether this is a byte string in quotes, its escapes well-formed."""
    if len(string) < 2 or string[:1] not in (b"'", b'"') or string[:1] != string[-1:]:
        return False
    return string[1:-1].decode("unicode-escape") is not None


def is_escaped(string: bytes) -> bool:
    """Whether this is text with well-formed escapes; ValueError if not."""
    return string.decode("raw-unicode-escape") is not None


NOTHING = Fixed(0)
INDEX = line(bytes.isdigit)

OPCODES: dict[int, Opcode] = {
    ord(code): opcode
    for code, opcode in {
        "I": Opcode("INT", line(is_integer), gives=1),
        "J": Opcode("BININT", Fixed(4), gives=1),
        "K": Opcode("BININT1", Fixed(1), gives=1),
        "M": Opcode("BININT2", Fixed(2), gives=1),
        "L": Opcode("LONG", line(is_long), gives=1),
        "\x8a": Opcode("LONG1", counted(1), gives=1),
        "\x8b": Opcode("LONG4", counted(4, signed=True), gives=1),
        "F": Opcode("FLOAT", line(is_float), gives=1),
        "G": Opcode("BINFLOAT", Fixed(8), gives=1),
        "S": Opcode("STRING", line(is_quoted, limit=None), gives=1),
        "T": Opcode("BINSTRING", counted(4, signed=True), gives=1),
        "U": Opcode("SHORT_BINSTRING", counted(1), gives=1),
        "B": Opcode("BINBYTES", counted(4), gives=1),
        "C": Opcode("SHORT_BINBYTES", counted(1), gives=1),
        "\x8e": Opcode("BINBYTES8", counted(8), gives=1),
        "\x96": Opcode("BYTEARRAY8", counted(8), gives=1),
        "V": Opcode("UNICODE", line(is_escaped, limit=None), gives=1),
        "\x8c": Opcode("SHORT_BINUNICODE", text(1), gives=1),
        "X": Opcode("BINUNICODE", text(4), gives=1),
        "\x8d": Opcode("BINUNICODE8", text(8), gives=1),
        "N": Opcode("NONE", NOTHING, gives=1),
        "\x88": Opcode("NEWTRUE", NOTHING, gives=1),
        "\x89": Opcode("NEWFALSE", NOTHING, gives=1),
        "]": Opcode("EMPTY_LIST", NOTHING, gives=1),
        "a": Opcode("APPEND", NOTHING, takes=2, gives=1),
        "e": Opcode("APPENDS", NOTHING, takes=1, gives=1, to_mark=True),
        "l": Opcode("LIST", NOTHING, gives=1, to_mark=True),
        ")": Opcode("EMPTY_TUPLE", NOTHING, gives=1),
        "t": Opcode("TUPLE", NOTHING, gives=1, to_mark=True),
        "\x85": Opcode("TUPLE1", NOTHING, takes=1, gives=1),
        "\x86": Opcode("TUPLE2", NOTHING, takes=2, gives=1),
        "\x87": Opcode("TUPLE3", NOTHING, takes=3, gives=1),
        "}": Opcode("EMPTY_DICT", NOTHING, gives=1),
        "d": Opcode("DICT", NOTHING, gives=1, to_mark=True),
        "s": Opcode("SETITEM", NOTHING, takes=3, gives=1),
        "u": Opcode("SETITEMS", NOTHING, takes=1, gives=1, to_mark=True),
        "\x8f": Opcode("EMPTY_SET", NOTHING, gives=1),
        "\x90": Opcode("ADDITEMS", NOTHING, takes=1, gives=1, to_mark=True),
        "\x91": Opcode("FROZENSET", NOTHING, gives=1, to_mark=True),
        "0": Opcode("POP", NOTHING, takes=1, special=Special.POPS),
        "2": Opcode("DUP", NOTHING, takes=1, gives=2),
        "(": Opcode("MARK", NOTHING, special=Special.OPENS_MARK),
        "1": Opcode("POP_MARK", NOTHING, to_mark=True),
        "g": Opcode("GET", INDEX, gives=1, special=Special.READS_MEMO),
        "h": Opcode("BINGET", Fixed(1), gives=1, special=Special.READS_MEMO),
        "j": Opcode("LONG_BINGET", Fixed(4), gives=1, special=Special.READS_MEMO),
        "p": Opcode("PUT", INDEX, takes=1, gives=1, special=Special.WRITES_MEMO),
        "q": Opcode("BINPUT", Fixed(1), takes=1, gives=1, special=Special.WRITES_MEMO),
        "r": Opcode("LONG_BINPUT", Fixed(4), takes=1, gives=1, special=Special.WRITES_MEMO),
        "\x94": Opcode("MEMOIZE", NOTHING, takes=1, gives=1, special=Special.EXTENDS_MEMO),
        "\x82": Opcode("EXT1", Fixed(1), gives=1),
        "\x83": Opcode("EXT2", Fixed(2), gives=1),
        "\x84": Opcode("EXT4", Fixed(4), gives=1),
        "c": Opcode("GLOBAL", lines(2), gives=1),
        "\x93": Opcode("STACK_GLOBAL", NOTHING, takes=2, gives=1),
        "R": Opcode("REDUCE", NOTHING, takes=2, gives=1),
        "b": Opcode("BUILD", NOTHING, takes=2, gives=1),
        "i": Opcode("INST", lines(2), gives=1, to_mark=True),
        "o": Opcode("OBJ", NOTHING, gives=1, to_mark=True),
        "\x81": Opcode("NEWOBJ", NOTHING, takes=2, gives=1),
        "\x92": Opcode("NEWOBJ_EX", NOTHING, takes=3, gives=1),
        "\x80": Opcode("PROTO", protocol),
        ".": Opcode("STOP", NOTHING, takes=1, special=Special.STOPS),
        "\x95": Opcode("FRAME", frame),
    }.items()
}
"""All that a whole payload can hold. Persistent ids and out-of-band buffers are left out: they point outside of it."""
