"""A TCP proxy that can be a bad network: it drops connections, leaves them half open, or swallows what is said."""

import asyncio
import socket
import struct
import threading
from collections.abc import Coroutine
from contextlib import suppress
from types import TracebackType
from typing import Any, Self, TypeVar

T = TypeVar("T")

HOST = "127.0.0.1"
CHUNK_BYTES = 65536
RESET_AT_CLOSE = struct.pack("ii", 1, 0)
"""For SO_LINGER."""


class _Connection:
    """Of a client, by way of the proxy, to the target."""

    def __init__(self, near: asyncio.StreamWriter, far: asyncio.StreamWriter) -> None:
        self.near = near
        self.far = far
        self.is_half_open = False
        self.gone = asyncio.Event()

    def abort(self) -> None:
        """Reset both halves, the near one only if the client may notice."""
        _reset(self.far)
        if not self.is_half_open:
            _reset(self.near)


class TcpProxy:
    """Connections to `port` go on to the port `target` of this machine, inside the `with` block.

    It runs in a thread of its own; all methods may be called from any other, and return when what they say is so.
    """

    def __init__(self, target: int) -> None:
        self.port = 0
        self._target = target
        self._flows = asyncio.Event()
        self._flows.set()
        self._connections: set[_Connection] = set()
        self._half_open: list[_Connection] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="tcp proxy", daemon=True)

    @property
    def connections(self) -> int:
        """How many connections reach the target."""
        return len(self._connections)

    def drop(self) -> None:
        """Reset every connection at both ends. New ones are served."""
        self._run(self._drop())

    def half_open(self) -> None:
        """Reset every connection at the target's end only; the client's end hears nothing more. New ones are served."""
        self._run(self._leave_half_open())

    def black_hole(self) -> None:
        """Deliver nothing, of old connections and of new ones, until `heal`."""
        self._run(self._let_flow(False))

    def heal(self) -> None:
        """Deliver again, first what was held up."""
        self._run(self._let_flow(True))

    def __enter__(self) -> Self:
        self._thread.start()
        self._server = self._run(asyncio.start_server(self._serve, HOST, self.port))
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=10)

    # In the thread of the loop

    async def _serve(self, near_reader: asyncio.StreamReader, near: asyncio.StreamWriter) -> None:
        try:
            far_reader, far = await asyncio.open_connection(HOST, self._target)
        except OSError:
            _reset(near)
            return
        connection = _Connection(near, far)
        self._connections.add(connection)
        directions = [self._pass_on(near_reader, far), self._pass_on(far_reader, near)]
        pumps = [asyncio.ensure_future(direction) for direction in directions]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            self._connections.discard(connection)
            connection.abort()
            connection.gone.set()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Until either end closes; the end is held up like everything else."""
        with suppress(OSError):
            while data := await reader.read(CHUNK_BYTES):
                await self._flows.wait()
                writer.write(data)
                await writer.drain()
        await self._flows.wait()

    async def _drop(self) -> None:
        connections = list(self._connections)
        for connection in connections:
            connection.abort()
        for connection in connections:
            await connection.gone.wait()

    async def _leave_half_open(self) -> None:
        for connection in self._connections:
            connection.is_half_open = True
        self._half_open += self._connections
        await self._drop()

    async def _let_flow(self, flows: bool) -> None:
        if flows:
            self._flows.set()
        else:
            self._flows.clear()

    async def _close(self) -> None:
        self._server.close()
        self._flows.set()
        await self._drop()
        for connection in self._half_open:
            _reset(connection.near)
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)


def _reset(writer: asyncio.StreamWriter) -> None:
    if writer.transport.is_closing():
        return
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)
    writer.transport.abort()
