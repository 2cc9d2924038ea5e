"""What a writing operation works with: the connection, the moment, the counters, and what waiters are told of it."""

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec

from mpcsfaas.recent import Ended
from mpcsfaas_storage_sqlite.owners import Owners
from mpcsfaas_storage_sqlite.rows import micros, read
from mpcsfaas_storage_sqlite.schema import DELAYED, STATES

Argument = TypeVar("Argument")
Answer = TypeVar("Answer")


class Counters(msgspec.Struct, array_like=True):
    """The row that makes statistics cheap, and the last place in each order."""

    queued: int
    running: int
    completed: int
    failed: int
    cancelled: int
    functions: int
    position: int
    sequence: int

    def move(self, before: int, after: int, number: int) -> None:
        """Count tasks in another phase."""
        self.add(before, -number)
        self.add(after, number)

    def add(self, phase: int, number: int) -> None:
        """Count tasks in a phase."""
        name = STATES[phase].lower()
        setattr(self, name, getattr(self, name) + number)


COUNTERS = ", ".join(Counters.__struct_fields__)
SELECT_COUNTERS = f"SELECT {COUNTERS} FROM counters"
UPDATE_COUNTERS = f"UPDATE counters SET ({COUNTERS}) = ({', '.join('?' * len(Counters.__struct_fields__))})"


class Beginning(Counters, array_like=True):
    """What every transaction looks at first."""

    next_ready_at: int | None
    """When the first of the delayed tasks becomes ready."""
    has_waits: int
    """1 if a task waits for another."""


NEXT_READY_AT = f"SELECT min(ready_at) FROM task WHERE phase = {DELAYED}"
HAS_WAITS = "EXISTS (SELECT 1 FROM wait) AS has_waits"
SELECT_BEGINNING = f"SELECT {COUNTERS}, ({NEXT_READY_AT}) AS next_ready_at, {HAS_WAITS} FROM counters"


def next_ready_at(connection: sqlite3.Connection) -> int | None:
    """When the first of the delayed tasks becomes ready, in microseconds."""
    ((moment,),) = connection.execute(NEXT_READY_AT).fetchall()
    return None if moment is None else int(moment)


@dataclass(slots=True)
class Effects:
    """What those who wait are told once the transaction is committed."""

    work: bool = False
    completion: bool = False
    """By another process; what ended here is in `ended`."""
    fenced: int = 0
    ended: list[Ended] = field(default_factory=list)


class Transaction:
    """One transaction that is under way."""

    def __init__(self, connection: sqlite3.Connection, now: float, max_unfinished: int) -> None:
        (beginning,) = read(connection, Beginning, SELECT_BEGINNING)
        *counted, self.next_ready_at, has_waits = msgspec.structs.astuple(beginning)
        self.has_waits = bool(has_waits)
        self.connection = connection
        self.now = micros(now)
        self.max_unfinished = max_unfinished
        self.counters = Counters(*counted)
        self.owners = Owners(connection)
        self.effects = Effects()
        self._saved = tuple(counted)

    def execute(self, statement: str, *parameters: object) -> None:
        """Change something."""
        self.connection.execute(statement, parameters)

    def delay_until(self, moment: int) -> None:
        """Remember that a task becomes ready at that moment."""
        self.next_ready_at = moment if self.next_ready_at is None else min(moment, self.next_ready_at)

    def refresh_next_ready_at(self) -> None:
        """Look it up anew, after delays have ended."""
        self.next_ready_at = next_ready_at(self.connection)

    def save_counters(self) -> None:
        """Write the counters, if they changed."""
        self.owners.save()
        values = msgspec.structs.astuple(self.counters)
        if values != self._saved:
            self.connection.execute(UPDATE_COUNTERS, values)


def each(act: Callable[[Any, Argument], Answer]) -> Callable[[Any, Sequence[Argument]], Sequence[Answer]]:
    """An operation that does its calls one after the other."""

    def operation(context: Any, arguments: Sequence[Argument]) -> Sequence[Answer]:
        return [act(context, argument) for argument in arguments]

    return operation
