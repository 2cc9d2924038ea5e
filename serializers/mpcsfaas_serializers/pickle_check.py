"""Proves that bytes are one whole pickle, by walking its opcodes; nothing is executed, imported or built."""

from typing import NamedTuple

from mpcsfaas.errors import InvalidPayload
from mpcsfaas_serializers.pickle_opcodes import INDEX, OPCODES, Fixed, Opcode, Special

MAX_MARKS = 100_000
"""How many marks may be open at once: a bound on what the walk keeps, far above what a pickler nests."""

PROTO = 0x80
STOP = ord(".")
OPENERS_BEFORE_PROTOCOL_2 = frozenset(b"IJKMLFGSTUVXN]l)}d(c")
"""How a pickle of protocol 0 or 1 can begin; later ones begin with their protocol's number."""


def check_quick(data: bytes) -> None:
    """Look at both ends of `data` only. Raises `InvalidPayload`."""
    if not data:
        raise InvalidPayload("The payload is empty; send the bytes that dumps returns.")
    if not _begins_like_a_pickle(data):
        raise InvalidPayload("The payload is no pickle: byte 0 does not begin one. Send the bytes that dumps returns.")
    if data[-1] != STOP or len(data) == 1:
        raise InvalidPayload(
            f"The pickle is cut off: byte {len(data) - 1}, its last, is no STOP. Send all of its bytes."
        )


def _begins_like_a_pickle(data: bytes) -> bool:
    if data[0] == PROTO:
        return len(data) > 2 and data[1] in range(2, 6)
    return data[0] in OPENERS_BEFORE_PROTOCOL_2


def check(data: bytes) -> None:
    """Walk the whole of `data`. Raises `InvalidPayload` that says what is wrong and at which byte."""
    check_quick(data)
    walk = _Walk(data)
    while not walk.stopped:
        walk.skip_simple()
        walk.step()


class _Simple(NamedTuple):
    """An opcode of a fixed size that acts only on the sizes of the stack and of the memo; size 0 for all others."""

    size: int = 0
    takes: int = 0
    change: int = 0
    memoizes: int = 0


def _simple(opcode: Opcode | None) -> _Simple:
    if opcode is None or opcode.to_mark or not isinstance(opcode.end, Fixed):
        return _Simple()
    if opcode.special not in (None, Special.EXTENDS_MEMO):
        return _Simple()
    memoizes = opcode.special is Special.EXTENDS_MEMO
    return _Simple(1 + opcode.end.size, opcode.takes, opcode.gives - opcode.takes, memoizes)


SIMPLE = [_simple(OPCODES.get(code)) for code in range(256)]


class _Walk:
    """The unpickler's stack and memo, of which only the sizes are kept."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.position = 0
        self.stopped = False
        self.stack_size = 0
        """Items above the topmost mark."""
        self.open_marks: list[int] = []
        """For each mark, the items between it and the one below."""
        self.memo_size = 0

    def skip_simple(self) -> None:
        """Pass over simple opcodes while nothing is wrong with them; a tight loop, as they are most of a big pickle."""
        data, last = self.data, len(self.data) - 1
        position, stack_size = self.position, self.stack_size
        while position < last:
            size, takes, change, memoizes = SIMPLE[data[position]]
            if not size or stack_size < takes or position + size > last:
                break
            position += size
            stack_size += change
            self.memo_size += memoizes
        self.position, self.stack_size = position, stack_size

    def step(self) -> None:
        """Pass over one opcode."""
        if self.position == len(self.data):
            raise InvalidPayload(f"The pickle is cut off: it has no STOP in its {len(self.data)} bytes.")
        opcode = OPCODES.get(self.data[self.position])
        if opcode is None:
            raise InvalidPayload(f"The payload is no pickle: byte {self.position} is no opcode that it can hold.")
        try:
            end = opcode.end(self.data, self.position + 1)
            self._apply(opcode, end)
        except ValueError as error:
            raise InvalidPayload(f"The pickle is damaged: {opcode.name} at byte {self.position} {error}.") from None
        self.position = end

    def _apply(self, opcode: Opcode, end: int) -> None:
        if opcode.special is Special.POPS and not self.stack_size:
            self._close_mark()
            return
        if opcode.to_mark:
            self._close_mark()
        if self.stack_size < opcode.takes:
            raise ValueError(f"takes {opcode.takes} from a stack of {self.stack_size}")
        self.stack_size += opcode.gives - opcode.takes
        if opcode.special:
            self._act(opcode, end)

    def _act(self, opcode: Opcode, end: int) -> None:
        match opcode.special:
            case Special.OPENS_MARK:
                self._open_mark()
            case Special.READS_MEMO:
                self._read_memo(self._index(opcode, end))
            case Special.WRITES_MEMO:
                self._write_memo(self._index(opcode, end))
            case Special.EXTENDS_MEMO:
                self.memo_size += 1
            case Special.STOPS:
                self._stop(end)

    def _open_mark(self) -> None:
        if len(self.open_marks) >= MAX_MARKS:
            raise ValueError(f"nests deeper than {MAX_MARKS} marks")
        self.open_marks.append(self.stack_size)
        self.stack_size = 0

    def _close_mark(self) -> None:
        if not self.open_marks:
            raise ValueError("looks for a mark, but none is open")
        self.stack_size = self.open_marks.pop()

    def _index(self, opcode: Opcode, end: int) -> int:
        argument = self.data[self.position + 1 : end]
        return int(argument) if opcode.end is INDEX else int.from_bytes(argument, "little")

    def _read_memo(self, index: int) -> None:
        if index >= self.memo_size:
            raise ValueError(f"reads item {index} of a memo of {self.memo_size}")

    def _write_memo(self, index: int) -> None:
        """Picklers number their memo without gaps; the unpickler would have to allocate one."""
        if index > self.memo_size:
            raise ValueError(f"writes item {index} of a memo of {self.memo_size}")
        self.memo_size = max(self.memo_size, index + 1)

    def _stop(self, end: int) -> None:
        if end < len(self.data):
            raise ValueError(f"is followed by {len(self.data) - end} stray bytes")
        if self.stack_size or self.open_marks:
            raise ValueError("leaves stray items on the stack")
        self.stopped = True
