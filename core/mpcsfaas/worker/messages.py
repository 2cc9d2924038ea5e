"""What the pool and its children tell each other."""

from typing import TypeAlias

import msgspec
from msgspec import Struct

from mpcsfaas.model import AttemptKey, AttemptResult, Function


class Setup(Struct, frozen=True, tag="setup"):
    """The pool's first message to a child."""

    worker: str
    serializers: dict[str, str]
    """For each name the class, as `module:Class`, to be imported when it is first needed."""
    path: tuple[str, ...]
    memory_limit: int | None
    max_result: int
    max_output: int


class Run(Struct, frozen=True, tag="run"):
    """One attempt. `function` is there unless the child should know it already."""

    task_id: str
    number: int
    function_id: str
    payload: bytes
    serializer: str
    sent_at: float
    function: Function | None = None

    @property
    def key(self) -> AttemptKey:
        """The fencing token."""
        return AttemptKey(self.task_id, self.number)


class Ready(Struct, frozen=True, tag="ready"):
    """The child is up."""


class Done(Struct, frozen=True, tag="done"):
    """What became of one attempt."""

    result: AttemptResult


class NeedFunction(Struct, frozen=True, tag="need_function"):
    """The child does not hold the attempt's function (any more), and did not start the attempt."""

    task_id: str
    number: int

    @property
    def key(self) -> AttemptKey:
        """The fencing token."""
        return AttemptKey(self.task_id, self.number)


ToChild: TypeAlias = Setup | Run
FromChild: TypeAlias = Ready | Done | NeedFunction

encode = msgspec.msgpack.Encoder().encode
decode_to_child = msgspec.msgpack.Decoder(ToChild).decode
decode_from_child = msgspec.msgpack.Decoder(FromChild).decode
