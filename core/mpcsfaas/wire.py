"""The messages between a dispatcher and its workers: versioned msgpack, the same for every strategy.

A frame is a msgpack array of the protocol version and a map with the `kind` of message. A ZMQ message is one or more
frames, each understood or dropped by itself. `docs/wire.md` shows every message and the order in which they are said.

Decoding is strict: a frame that is too large, of a version not spoken, of an unknown kind, or with missing, mistyped or
unbounded fields is refused. Unknown fields are ignored, so that a newer peer may say more.

Three rules make every loss harmless. What a dispatcher orders (`Jobs`, `Cancel`) is numbered, and sent again until the
worker says that it was `received`. What a worker hands in (`Results`, `Returned`) is sent again until it is `Settled`,
or cancelled.
And whoever was restarted is told everything again (`Unknown`, `Hello`). So everything may be said twice.
"""

from collections.abc import Iterable, Iterator
from typing import Annotated, TypeAlias, TypeVar

import msgspec
from msgspec import Meta, Struct

from mpcsfaas.errors import FrameTooLarge, IncompatiblePeer, InvalidFrame
from mpcsfaas.model import AttemptKey, AttemptResult, Function, ParentResult

VERSION = 1
OLDEST_VERSION = 1
"""The oldest version still spoken: at most one less than `VERSION`, so that a fleet can be upgraded part by part."""
HANDSHAKE = 0
"""The version of what is said before one is agreed on. This may grow, but never changes."""
MAX_FRAME = 256 * 1024 * 1024
"""Bytes beyond which a frame is neither made nor looked at."""
MAX_ITEMS = 65_536
"""Bound on every list in a message, and so on the attempts that a worker can hold."""
BATCH_BYTES = 4 * 1024 * 1024
"""Size that `batches` aims at: larger frames save nothing, and hold up what is said behind them."""

Name: TypeAlias = Annotated[str, Meta(max_length=256)]
Count: TypeAlias = Annotated[int, Meta(ge=0, le=MAX_ITEMS)]
SequenceNumber: TypeAlias = Annotated[int, Meta(ge=0)]
Version: TypeAlias = Annotated[int, Meta(ge=1, le=127)]
Keys: TypeAlias = Annotated[tuple[AttemptKey, ...], Meta(max_length=MAX_ITEMS)]


class _Message(Struct, frozen=True, omit_defaults=True, tag_field="kind"):
    """Base of all messages. A field that is missing from a frame has its default."""


# From worker to dispatcher


class Hello(_Message, frozen=True, tag="hello"):
    """Introduces a worker, or introduces it again after either side was restarted or the connection was lost."""

    worker_id: Name
    """Of this run of the worker: a restarted worker has another."""
    host: Name
    pid: int
    slots: Annotated[int, Meta(ge=1, le=MAX_ITEMS)]
    window: Count
    """Attempts that the worker wants to hold at once: its slots, and what it keeps ready behind them."""
    labels: Annotated[tuple[Name, ...], Meta(max_length=256)] = ()
    python_version: Name = ""
    software_version: Name = ""
    oldest_version: Version = OLDEST_VERSION
    newest_version: Version = VERSION
    held: Keys = ()
    """Everything in the worker's hands: attempts that wait or run there, and those that nobody has settled yet."""


class Beat(_Message, frozen=True, tag="beat"):
    """A sign of life, and how the worker stands."""

    worker_id: Name
    busy: Count
    window: Count
    received: SequenceNumber = 0
    """The last order up to which none is missing."""


class Results(_Message, frozen=True, tag="results"):
    """What became of attempts; sent again until `Settled` names them."""

    worker_id: Name
    results: Annotated[tuple[AttemptResult, ...], Meta(max_length=MAX_ITEMS)]


class Returned(_Message, frozen=True, tag="returned"):
    """Attempts that never began here and wait no longer; sent again until a `Cancel` or `Settled` names them."""

    worker_id: Name
    keys: Keys
    received: SequenceNumber = 0
    """As in `Beat`: what was ordered later is not meant. 0 if not told."""


class Fetch(_Message, frozen=True, tag="fetch"):
    """Asks for attempts, where the worker has to ask (pull)."""

    worker_id: Name
    want: Annotated[int, Meta(ge=1, le=MAX_ITEMS)]
    wait: Annotated[float, Meta(ge=0, le=3600)] = 0.0
    """Seconds after which the worker wants an answer, even an empty one."""
    received: SequenceNumber = 0


class NeedFunctions(_Message, frozen=True, tag="need_functions"):
    """Asks for function bodies that attempts wait for; asked again until they come."""

    worker_id: Name
    function_ids: Annotated[tuple[Name, ...], Meta(max_length=MAX_ITEMS)]


class Leaving(_Message, frozen=True, tag="leaving"):
    """Wants no more attempts, and goes when it holds none."""

    worker_id: Name


# From dispatcher to worker


class Job(Struct, frozen=True, omit_defaults=True, array_like=True):
    """One attempt to run."""

    task_id: Name
    number: int
    function_id: Name
    payload: bytes
    serializer: Name
    timeout: float | None = None
    """Seconds it may run, counted from its start in the child."""
    traceparent: Name | None = None
    """The W3C trace context that the task is part of."""
    parents: Annotated[tuple[ParentResult, ...], Meta(max_length=MAX_ITEMS)] = ()
    """The results of the tasks that it comes after, for its arguments."""

    @property
    def key(self) -> AttemptKey:
        """The fencing token."""
        return AttemptKey(self.task_id, self.number)


class Welcome(_Message, frozen=True, tag="welcome"):
    """The worker is known now, and beats every `interval` seconds."""

    version: Annotated[int, Meta(ge=OLDEST_VERSION, le=VERSION)]
    """Of every frame from here on, both ways."""
    interval: Annotated[float, Meta(gt=0, le=3600)]
    dispatcher_id: Name
    sequence: SequenceNumber = 0
    """The next order is the one after this. Never falls, not even when the dispatcher is restarted."""


class Functions(_Message, frozen=True, tag="functions"):
    """Function bodies that the worker may not hold; said before the `Jobs` that need them."""

    functions: Annotated[tuple[Function, ...], Meta(max_length=MAX_ITEMS)]


class Jobs(_Message, frozen=True, tag="jobs"):
    """Attempts to run. An empty one without a number is the answer to a `Fetch` that waited in vain."""

    sequence: SequenceNumber = 0
    jobs: Annotated[tuple[Job, ...], Meta(max_length=MAX_ITEMS)] = ()


class Cancel(_Message, frozen=True, tag="cancel"):
    """Stop and forget these attempts; nobody wants to hear of them. Those not held are ignored."""

    sequence: SequenceNumber
    keys: Keys


class Settled(_Message, frozen=True, tag="settled"):
    """What the worker handed in about these attempts is durable, or not wanted: forget them. May be empty."""

    keys: Keys = ()


class Unknown(_Message, frozen=True, tag="unknown"):
    """The dispatcher does not know this worker: say `Hello` (again)."""


class Refused(_Message, frozen=True, tag="refused"):
    """The worker cannot be used, and why; it ends."""

    reason: str


FromWorker: TypeAlias = Hello | Beat | Results | Returned | Fetch | NeedFunctions | Leaving
FromDispatcher: TypeAlias = Welcome | Functions | Jobs | Cancel | Settled | Unknown | Refused

M = TypeVar("M")
T = TypeVar("T", Job, AttemptResult, Function)

_HANDSHAKE_KINDS: frozenset[type] = frozenset({Hello, Welcome, Unknown, Refused})
_ARRAY_OF_TWO = 0x92
_encoder = msgspec.msgpack.Encoder()
_from_worker: "msgspec.msgpack.Decoder[FromWorker]" = msgspec.msgpack.Decoder(FromWorker)
_from_dispatcher: "msgspec.msgpack.Decoder[FromDispatcher]" = msgspec.msgpack.Decoder(FromDispatcher)


def negotiate(hello: Hello, oldest: int = OLDEST_VERSION, newest: int = VERSION) -> int:
    """The newest version that both sides speak. Raises `IncompatiblePeer`, whose text is to be the `Refused.reason`."""
    chosen = min(newest, hello.newest_version)
    if chosen >= max(oldest, hello.oldest_version):
        return chosen
    outdated = "worker" if hello.newest_version < oldest else "dispatcher"
    raise IncompatiblePeer(
        f"Worker {hello.worker_id} on {hello.host} speaks protocol versions {hello.oldest_version} to "
        f"{hello.newest_version}, the dispatcher {oldest} to {newest}. Upgrade mpcsfaas where the {outdated} runs."
    )


def encode(message: FromWorker | FromDispatcher, version: int = VERSION) -> bytes:
    """A message as a frame of the negotiated version. Raises `FrameTooLarge`; `batches` avoids that for lists."""
    frame = _encoder.encode((HANDSHAKE if type(message) in _HANDSHAKE_KINDS else version, message))
    if len(frame) > MAX_FRAME:
        raise FrameTooLarge(f"A frame of {len(frame)} bytes is over the limit of {MAX_FRAME}; send less at a time.")
    return frame


def decode_from_worker(frame: bytes | memoryview) -> FromWorker:
    """A worker's message. Raises `InvalidFrame`."""
    return _decode(frame, _from_worker)


def decode_from_dispatcher(frame: bytes | memoryview) -> FromDispatcher:
    """A dispatcher's message. Raises `InvalidFrame`."""
    return _decode(frame, _from_dispatcher)


def batches(items: Iterable[T]) -> Iterator[tuple[T, ...]]:
    """The items in order, in tuples that make frames of about `BATCH_BYTES`; what is larger travels alone."""
    batch: list[T] = []
    total = 0
    for item in items:
        size = _size(item)
        if batch and (total + size > BATCH_BYTES or len(batch) == MAX_ITEMS):
            yield tuple(batch)
            batch, total = [], 0
        batch.append(item)
        total += size
    if batch:
        yield tuple(batch)


def _size(item: Job | AttemptResult | Function) -> int:
    """Bytes on the wire, leaving out what is small anyway."""
    if isinstance(item, AttemptResult):
        return len(item.value) + len(item.stdout) + len(item.stderr)
    if isinstance(item, Job) and item.parents:
        return len(item.payload) + sum(len(parent.value) for parent in item.parents)
    return len(item.payload)


def _decode(frame: bytes | memoryview, decoder: "msgspec.msgpack.Decoder[M]") -> M:
    version = _version_of(frame)
    try:
        message = decoder.decode(memoryview(frame)[2:])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidFrame(f"A frame is no message: {error}.") from error
    if (type(message) in _HANDSHAKE_KINDS) != (version == HANDSHAKE):
        raise InvalidFrame(f"A {type(message).__name__} cannot be said in a frame of version {version}.")
    return message


def _version_of(frame: bytes | memoryview) -> int:
    if len(frame) > MAX_FRAME:
        raise InvalidFrame(f"A frame of {len(frame)} bytes is over the limit of {MAX_FRAME}.")
    if len(frame) < 3 or frame[0] != _ARRAY_OF_TWO:
        raise InvalidFrame("A frame is no array of a protocol version and a message.")
    version = frame[1]
    if version != HANDSHAKE and not OLDEST_VERSION <= version <= VERSION:
        raise InvalidFrame(f"A frame has version {version}; this side speaks {OLDEST_VERSION} to {VERSION}.")
    return version
