"""How a stream looks on the wire: server-sent events, or length-prefixed msgpack frames."""

import struct
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from typing import Protocol

import msgspec
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from mpcsfaas.gateway.bodies import MSGPACK
from mpcsfaas.gateway.context import Gateway
from mpcsfaas.gateway.schemas import ResultAnswer
from mpcsfaas.interfaces.storage import Completion
from mpcsfaas.model import TaskResult

LARGEST_SLICE = 32
SLICE_BYTES = 64 * 1024
PIECE_BYTES = 64 * 1024
"""What a reader that does not read costs follows from these two, and from the largest result."""

SequencedResult = tuple[int, TaskResult]


class StreamFormat(Protocol):
    """One way to write a stream."""

    media_type: str
    sign_of_life: bytes

    def encode(self, results: Sequence[SequencedResult]) -> bytes:
        """Some results, in order."""


class EventFormat:
    """Server-sent events; the id is the sequence, so that a browser resumes by itself."""

    media_type = "text/event-stream"
    sign_of_life = b": alive\n\n"

    def encode(self, results: Sequence[SequencedResult]) -> bytes:
        """One event per result."""
        return b"".join(self._event(sequence, result) for sequence, result in results)

    def _event(self, sequence: int, result: TaskResult) -> bytes:
        data = msgspec.json.encode(ResultAnswer.of(result, False, sequence))
        # A stored JSON value is passed on as it is; between its tokens it may have newlines, which would end the event.
        data = data.translate(None, b"\r\n")
        return b"id: %d\nevent: result\ndata: %b\n\n" % (sequence, data)


class FrameFormat:
    """A 4-byte big-endian length, then a msgpack array of results."""

    media_type = MSGPACK
    sign_of_life = struct.pack(">I", 1) + b"\x90"

    def encode(self, results: Sequence[SequencedResult]) -> bytes:
        """One frame for all."""
        data = msgspec.msgpack.encode([ResultAnswer.of(result, True, sequence) for sequence, result in results])
        return struct.pack(">I", len(data)) + data


class SliceSize:
    """How many results to fetch at a time, so that few bytes are held for a reader however large results are."""

    def __init__(self) -> None:
        self.count = 1

    def learn(self, results: Sequence[SequencedResult]) -> None:
        """Go by the sizes of the latest slice, doubling at most."""
        size = sum(len(result.value) for _, result in results)
        wanted = len(results) * SLICE_BYTES // max(size, 1)
        self.count = max(1, min(wanted, self.count * 2, LARGEST_SLICE))


class ClosingStream(StreamingResponse):
    """Closes its iterator when the client goes away, rather than leaving that to the garbage collector."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it all."""
        async with aclosing(self.body_iterator):  # type: ignore[type-var]  # always a generator here
            await super().__call__(scope, receive, send)


async def pieces_of(
    gateway: Gateway, completions: Sequence[Completion], size: SliceSize, form: StreamFormat
) -> AsyncIterator[bytes]:
    """The results of tasks that have ended, less those that expire meanwhile, written in `form`.

    In small pieces: whoever sends one keeps it until the client has taken it, which may be long.
    """
    start = 0
    while start < len(completions):
        part = completions[start : start + size.count]
        start += len(part)
        written = await _write(gateway, part, size, form)
        for place in range(0, len(written), PIECE_BYTES):
            yield written[place : place + PIECE_BYTES]


async def _write(gateway: Gateway, part: Sequence[Completion], size: SliceSize, form: StreamFormat) -> bytes:
    results = await gateway.results.submit([completion.task_id for completion in part])
    found = [
        (completion.sequence, result)
        for completion, result in zip(part, results, strict=True)
        if result is not None and not result.expired
    ]
    if not found:
        return b""
    size.learn(found)
    return form.encode(found)
