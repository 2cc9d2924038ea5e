"""What the tasks of a history do, and what they really did."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import msgspec
from msgspec import Struct

from mpcsfaas.model import AttemptKey


class End(StrEnum):
    """How a run ends."""

    VALUE = "value"
    EXCEPTION = "exception"
    CRASH = "crash"


class Behaviour(Struct, frozen=True):
    """A task's payload. Its first attempt ends as the first of `ends`, and so on; all further ones as the last."""

    seconds: float
    ends: tuple[End, ...] = (End.VALUE,)

    def end(self, number: int) -> End:
        """Of an attempt."""
        return self.ends[min(number, len(self.ends)) - 1]

    def encode(self) -> bytes:
        """As a payload."""
        return msgspec.msgpack.encode(self)

    @classmethod
    def decode(cls, payload: bytes) -> "Behaviour":
        """Of a payload."""
        return msgspec.msgpack.decode(payload, type=cls)


@dataclass(slots=True)
class Runs:
    """Everything that really ran: an attempt once at most, unless it is broken what hands them out."""

    began: list[AttemptKey] = field(default_factory=list)
    values: dict[bytes, AttemptKey] = field(default_factory=dict)
    """What each run returned, which no other did."""

    def begin(self, key: AttemptKey) -> bytes:
        """An attempt begins; what it will return."""
        self.began.append(key)
        return f"{key.task_id}/{key.number}/{len(self.began)}".encode()

    def end(self, key: AttemptKey, value: bytes) -> None:
        """It returned something."""
        self.values[value] = key

    def repeated(self) -> Sequence[AttemptKey]:
        """Attempts that ran more than once."""
        return [key for key in dict.fromkeys(self.began) if self.began.count(key) > 1]
