"""Hears the wake-ups. They are hints: whatever is not heard is found by looking."""

import asyncio
import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from time import monotonic

from redis.exceptions import RedisError

from mpcsfaas_storage_redis.backoff import Backoff
from mpcsfaas_storage_redis.connection import Wire

WORK = b"tasks"
COMPLETION = b"results"


class Listener:
    """A thread that waits for messages, and calls back into the event loop's thread, once for a burst of them."""

    def __init__(self, connect: Callable[[], Wire], heard: Mapping[bytes, Callable[[], None]]) -> None:
        self._connect = connect
        self._heard = heard
        self._pending: set[bytes] = set()
        self._connection: Wire | None = None
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="redis listener", daemon=True)

    def start(self) -> None:
        """Begin to listen."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    async def stop(self) -> None:
        """Hang up. Idempotent."""
        self._closing.set()
        if self._thread.ident is not None:
            self._interrupt()
            await asyncio.to_thread(self._thread.join)

    def _interrupt(self) -> None:
        """End the read that the thread waits in."""
        channel: socket.socket | None = getattr(self._connection, "_sock", None)
        if channel:
            with suppress(OSError):
                channel.shutdown(socket.SHUT_RDWR)

    # In the thread

    def _run(self) -> None:
        backoff = Backoff()
        while not self._closing.is_set():
            try:
                self._listen(backoff)
            except (RedisError, OSError):
                self._closing.wait(backoff.failed(monotonic()))
            finally:
                self._hang_up()

    def _listen(self, backoff: Backoff) -> None:
        connection = self._connection = self._connect()
        connection.send_packed_command(connection.pack_commands([("SUBSCRIBE", *self._heard)]))
        while not self._closing.is_set():
            message = connection.read_response()
            backoff.succeeded()
            # The answer to SUBSCRIBE counts as a message: something may have happened while nobody listened.
            self._tell(message[1])

    def _tell(self, channel: bytes) -> None:
        if channel not in self._pending:
            self._pending.add(channel)
            with suppress(RuntimeError):  # The loop is closed: nobody waits any more.
                self._loop.call_soon_threadsafe(self._call_back, channel)

    def _call_back(self, channel: bytes) -> None:
        self._pending.discard(channel)
        self._heard[channel]()

    def _hang_up(self) -> None:
        if self._connection:
            self._connection.disconnect()
            self._connection = None
