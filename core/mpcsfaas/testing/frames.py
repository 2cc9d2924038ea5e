"""Frames of every kind, and what becomes of them on a bad line: for tests of whatever decodes frames."""

import random
from collections.abc import Callable, Iterator, Sequence
from itertools import cycle, islice

from mpcsfaas import wire
from mpcsfaas.errors import InvalidFrame
from mpcsfaas.model import AttemptKey, AttemptResult, Failure, FailureKind, Function

MOST_AT_ONCE = 64
KEYS = (AttemptKey("task-a", 1), AttemptKey("task-b", 2))
FAILURE = Failure(FailureKind.EXCEPTION, "division by zero", "ZeroDivisionError")

FROM_WORKER = [
    wire.encode(message)
    for message in (
        wire.Hello("stranger", "host", 4711, slots=4, window=6, labels=("gpu",), held=KEYS),
        wire.Beat("stranger", 2, 6, received=41),
        wire.Results("stranger", (AttemptResult("task-a", 1, value=b"1"), AttemptResult("task-b", 2, failure=FAILURE))),
        wire.Returned("stranger", KEYS),
        wire.Fetch("stranger", 4, 10.0, received=41),
        wire.NeedFunctions("stranger", ("function-a",)),
        wire.Leaving("stranger"),
    )
]
"""One frame of each kind that workers say."""

FROM_DISPATCHER = [
    wire.encode(message)
    for message in (
        wire.Welcome(wire.VERSION, 1.0, "dispatcher", sequence=1_000_000),
        wire.Functions((Function("function-a", "double", b"body", "json", 4.0),)),
        wire.Jobs(41, (wire.Job("task-a", 1, "function-b", b"payload", "json", 60.0),)),
        wire.Cancel(42, KEYS),
        wire.Settled(KEYS),
        wire.Unknown(),
    )
]
"""One frame of each kind that dispatchers say, but for `refused`, which ends a worker."""


def damaged_messages(good: Sequence[bytes], count: int, seed: int) -> Iterator[list[bytes]]:
    """ZMQ messages of 1 to 64 frames, `count` frames in all: random, cut off and bit-flipped ones, a third of each.

    A flipped frame of `good` can still be valid; `count_invalid` tells how many are not.
    """
    source = random.Random(seed)
    frames = (damage(source, source.choice(good)) for damage in islice(cycle(DAMAGES), count))
    while message := list(islice(frames, source.randint(1, MOST_AT_ONCE))):
        yield message


def count_invalid(frames: Sequence[bytes], decode: Callable[[bytes], object]) -> int:
    """How many of the frames `decode` refuses."""
    return sum(not _is_valid(frame, decode) for frame in frames)


def _is_valid(frame: bytes, decode: Callable[[bytes], object]) -> bool:
    try:
        decode(frame)
    except InvalidFrame:
        return False
    return True


def _random(source: random.Random, good: bytes) -> bytes:
    return source.randbytes(source.randrange(60))


def _cut_off(source: random.Random, good: bytes) -> bytes:
    return good[: source.randrange(len(good))]


def _flipped(source: random.Random, good: bytes) -> bytes:
    position, bit = source.randrange(len(good)), 1 << source.randrange(8)
    return good[:position] + bytes([good[position] ^ bit]) + good[position + 1 :]


DAMAGES = (_random, _cut_off, _flipped)
