"""Takes the results stream apart: frames of a 4-byte big-endian length and a msgpack array. Pure."""

import msgspec

from mpcsfaas.client.records import ResultItem

HEADER = 4

_decoder = msgspec.msgpack.Decoder(list[ResultItem])


class FrameDecoder:
    """Give it bytes as they come, however they are cut; it gives back the results of the frames they complete."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[ResultItem]:
        """Results that are whole now, in order. Raises `msgspec.DecodeError` for what is no such stream."""
        self._buffer += data
        items: list[ResultItem] = []
        start = 0
        while (end := self._frame_end(start)) is not None:
            items += _decoder.decode(memoryview(self._buffer)[start + HEADER : end])
            start = end
        del self._buffer[:start]
        return items

    def _frame_end(self, start: int) -> int | None:
        if len(self._buffer) - start < HEADER:
            return None
        end = start + HEADER + int.from_bytes(self._buffer[start : start + HEADER], "big")
        return end if end <= len(self._buffer) else None
