"""A load generator: one prepared request, over and over, on each of several connections."""

import asyncio
from typing import cast
from urllib.parse import urlsplit

import uvloop

LIMIT = 120.0
"""Seconds after which the answers are given up."""


def post(url: str, body: bytes, count: int, connections: int) -> None:
    """Send `count` POST requests with this JSON body, and wait for their answers. Raises for one that is no success."""
    uvloop.run(_post(url, body, count, connections))


async def _post(url: str, body: bytes, count: int, connections: int) -> None:
    parts = urlsplit(url)
    head = f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: application/json\r\n"
    load = _Load(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body, count)
    loop = asyncio.get_running_loop()
    host, port = parts.hostname or "", parts.port or 80
    async with asyncio.timeout(LIMIT):
        opening = (loop.create_connection(lambda: _Connection(load), host, port) for _ in range(connections))
        opened = await asyncio.gather(*opening)
        await load.answered
    for transport, _ in opened:
        transport.close()


class _Load:
    """What is still to be sent, and to come."""

    def __init__(self, request: bytes, count: int) -> None:
        self.request = request
        self.unsent = self.open = count
        self.answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def next(self) -> bytes | None:
        """The request to send now, if any."""
        self.unsent -= 1
        return self.request if self.unsent >= 0 else None

    def answer(self, status: bytes) -> None:
        """Note one answer."""
        self.open -= 1
        if status[:1] != b"2":
            self.fail(f"status {status.decode()}")
        elif self.open == 0:
            self.answered.set_result(None)

    def fail(self, reason: str) -> None:
        """End in vain."""
        if not self.answered.done():
            self.answered.set_exception(RuntimeError(reason))


class _Connection(asyncio.Protocol):
    """Sends its next request when the answer to the one before is complete."""

    def __init__(self, load: _Load) -> None:
        self._load = load
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._send()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        if end and len(body) == _content_length(head):
            self._received = b""
            self._load.answer(head[9:12])
            self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        self._load.fail("the server closed a connection")

    def _send(self) -> None:
        request = self._load.next()
        if request:
            self._transport.write(request)


def _content_length(head: bytes) -> int:
    return int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
