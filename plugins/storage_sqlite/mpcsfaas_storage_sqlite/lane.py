"""A thread with a connection of its own, that does in one go all the calls which came while it was busy."""

import asyncio
import sqlite3
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any

from mpcsfaas.errors import MpcsfaasError, StorageUnavailable
from mpcsfaas_storage_sqlite.problems import explain

LARGEST_GO = 20_000
"""Items (tasks, transitions, ids) after which the calls that wait are left for the next go."""

Operation = Callable[[Any, Sequence[Any]], Sequence[Any]]
"""Does many calls of one kind at once: one answer per argument, in order; one may be an exception, to be raised."""

News = Callable[[], None]
"""What is left to do in the event loop's thread."""


@dataclass(slots=True)
class Call:
    """A request to a lane. `outcome` is the answer, or the exception to raise."""

    operation: Operation
    argument: Any
    future: "asyncio.Future[Any]"
    size: int
    durable: bool
    outcome: Any = None

    def settle(self) -> None:
        """Give the outcome to the caller, who may have left."""
        if self.future.done():
            return
        if isinstance(self.outcome, BaseException):
            self.future.set_exception(self.outcome)
        else:
            self.future.set_result(self.outcome)


class Lane(ABC):
    """Calls go in from the event loop's thread; their outcomes come back to it, with one wake-up for a whole go."""

    def __init__(self, name: str, connect: Callable[[], sqlite3.Connection]) -> None:
        self.name = name
        self._connect = connect
        self._queue: SimpleQueue[Call | None] = SimpleQueue()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    async def start(self) -> None:
        """Open the connection. Raises `StorageUnavailable` or `SettingsError`."""
        self._loop = asyncio.get_running_loop()
        self._opened: asyncio.Future[None] = self._loop.create_future()
        self._thread.start()
        await self._opened

    async def stop(self) -> None:
        """Do what has been asked for, and close the connection. Idempotent."""
        self._closing = True
        self.nudge()
        if self._thread.ident is not None:
            await asyncio.to_thread(self._thread.join)

    async def call(self, operation: Operation, argument: Any, size: int = 1, durable: bool = False) -> Any:
        """Have `operation` done with `argument`, whose number of items is `size`."""
        if self._closing:
            raise StorageUnavailable(f"{self.name} is closed; open a new storage")
        future: asyncio.Future[Any] = self._loop.create_future()
        self._queue.put(Call(operation, argument, future, size, durable))
        return await future

    def nudge(self) -> None:
        """Make the thread look around."""
        self._queue.put(None)

    # In the thread

    @abstractmethod
    def transact(self, connection: sqlite3.Connection, calls: Sequence[Call]) -> Sequence[News]:
        """Set the outcome of every call in one transaction, which may be left open if this raises."""

    def pause(self) -> float | None:
        """Seconds after which `look` wants to be called at the latest, None for never."""
        return None

    def look(self, connection: sqlite3.Connection) -> Sequence[News]:
        """Look around between the calls."""
        return ()

    def _run(self) -> None:
        try:
            connection = self._connect()
        except Exception as error:
            self._post(self._opened.set_exception, error)
            return
        self._post(self._opened.set_result, None)
        try:
            while not (self._closing and self._queue.empty()):
                self._go(connection)
        finally:
            connection.close()

    def _go(self, connection: sqlite3.Connection) -> None:
        calls = self._take()
        news = [*self._execute(connection, calls)] if calls else []
        with suppress(sqlite3.Error):
            news += self.look(connection)
        if calls or news:
            self._post(_tell, calls, news)

    def _take(self) -> list[Call]:
        """Every call that waits; none after a pause or a nudge."""
        calls: list[Call] = []
        size = 0
        with suppress(Empty):
            call = self._queue.get(timeout=self.pause())
            while call is not None:
                calls.append(call)
                size += call.size
                call = self._queue.get_nowait() if size < LARGEST_GO else None
        return calls

    def _execute(self, connection: sqlite3.Connection, calls: Sequence[Call]) -> Sequence[News]:
        """One transaction for all; if a call spoils it by itself, one for each."""
        try:
            return self.transact(connection, calls)
        except Exception as error:
            _undo(connection)
            if len(calls) > 1 and not isinstance(explain(error, self.name), MpcsfaasError):
                return [news for call in calls for news in self._execute(connection, [call])]
            for call in calls:
                call.outcome = explain(error, self.name)
            return ()

    def _post(self, act: Callable[..., object], *arguments: object) -> None:
        with suppress(RuntimeError):  # The loop is closed: nobody waits any more.
            self._loop.call_soon_threadsafe(act, *arguments)


def groups(calls: Sequence[Call]) -> Sequence[tuple[Operation, Sequence[Call]]]:
    """The calls of each operation."""
    grouped: dict[Operation, list[Call]] = {}
    for call in calls:
        grouped.setdefault(call.operation, []).append(call)
    return list(grouped.items())


def answer(operation: Operation, context: object, calls: Sequence[Call]) -> None:
    """Set the outcome of calls of one operation."""
    answers = operation(context, [call.argument for call in calls])
    for call, outcome in zip(calls, answers, strict=True):
        call.outcome = outcome


def _undo(connection: sqlite3.Connection) -> None:
    with suppress(sqlite3.Error):
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _tell(calls: Sequence[Call], news: Sequence[News]) -> None:
    for act in news:
        act()
    for call in calls:
        call.settle()
