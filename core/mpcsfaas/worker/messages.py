"""What the pool, its fork server and its children tell each other."""

from typing import TypeAlias

import msgspec
from msgspec import Struct

from mpcsfaas.model import AttemptKey, AttemptResult, Function, ParentResult
from mpcsfaas.worker.identity import Identity
from mpcsfaas.worker.limits import Limits

KNOWN_FUNCTIONS = 256
"""Functions that a child keeps loaded."""


class Setup(Struct, frozen=True, tag="setup"):
    """The pool's first message to its fork server."""

    worker: str
    serializers: dict[str, str]
    """For each name the class, as `module:Class`."""
    path: tuple[str, ...]
    limits: Limits
    max_result: int
    max_output: int
    identity: Identity | None = None
    """Whose children are to be, if not the worker's own."""


class Fork(Struct, frozen=True, tag="fork"):
    """Start a child, in `folder`. Three descriptors come along: its channel, its stdout and its stderr."""

    child: int
    folder: str


class Kill(Struct, frozen=True, tag="kill"):
    """Kill a child with all its descendants; ignored if it is gone."""

    child: int


class Exited(Struct, frozen=True, tag="exited"):
    """A child is gone, and nothing that it started is left."""

    child: int
    code: int
    """Exit code; negative for the signal that killed it."""
    peak_memory: int
    """Bytes resident at most."""
    cpu_seconds: float = 0.0
    refusal: str = ""
    """Why it was not even started."""


class Run(Struct, frozen=True, omit_defaults=True, tag="run"):
    """One attempt. `function` is there unless the child should know it already."""

    task_id: str
    number: int
    function_id: str
    payload: bytes
    serializer: str
    sent_at: float
    function: Function | None = None
    traceparent: str | None = None
    """The W3C trace context that the task is part of."""
    parents: tuple[ParentResult, ...] = ()
    """The results of the tasks that it comes after."""

    @property
    def key(self) -> AttemptKey:
        """The fencing token."""
        return AttemptKey(self.task_id, self.number)


class Ready(Struct, frozen=True, tag="ready"):
    """The child is up."""

    process: int


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


FromChild: TypeAlias = Ready | Done | NeedFunction
ToForkServer: TypeAlias = Setup | Fork | Kill

encode = msgspec.msgpack.Encoder().encode
decode_run = msgspec.msgpack.Decoder(Run).decode
decode_from_child = msgspec.msgpack.Decoder(FromChild).decode
decode_to_fork_server = msgspec.msgpack.Decoder(ToForkServer).decode
decode_exited = msgspec.msgpack.Decoder(Exited).decode
