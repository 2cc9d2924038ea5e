"""A connection and the calls that wait for it: those made in one turn of the event loop are done in one go.

All of it happens in the event loop's own thread. Python's sqlite3 lets go of the interpreter lock at every step, and a
thread of its own would wait for a busy loop to get it back each time: measured, a transaction beside a busy gateway
took ten times as long as the transaction itself, which takes some tens of microseconds. What does take long, pressing
a change onto the disk, is left to `disk.Disk`.
"""

import asyncio
import sqlite3
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from mpcsfaas.errors import MpcsfaasError, StorageUnavailable
from mpcsfaas_storage_sqlite.problems import explain, is_busy

LARGEST_GO = 2_000
"""Items (tasks, transitions, ids) after which the calls that wait are left for the next turn of the loop."""
BUSY_PAUSE = 0.001
"""Seconds after which a file that another process is writing is tried again."""

Operation = Callable[[Any, Sequence[Any]], Sequence[Any]]
"""Does many calls of one kind at once: one answer per argument, in order; one may be an exception, to be raised."""

News = Callable[[], None]
"""What is to be told to those who wait."""


@dataclass(slots=True)
class Call:
    """A request to a lane. `outcome` is the answer, or the exception to raise."""

    operation: Operation
    argument: Any
    future: "asyncio.Future[Any]"
    size: int
    durable: bool
    give_up_at: float
    """The loop's time after which another process's writing is an error."""
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
    """One connection. For one event loop's thread."""

    def __init__(self, name: str, patience: float) -> None:
        """`patience` is how many seconds another process may keep a call waiting."""
        self.name = name
        self._patience = patience
        self._calls: deque[Call] = deque()
        self._turn: asyncio.Handle | None = None
        self._connection: sqlite3.Connection | None = None
        self._closing = False

    def start(self, connection: sqlite3.Connection) -> None:
        """Work with a connection, which is the lane's from now on."""
        self._loop = asyncio.get_running_loop()
        self._connection = connection

    @property
    def connection(self) -> sqlite3.Connection:
        """The connection of a lane that was started."""
        assert self._connection is not None
        return self._connection

    async def finish(self) -> None:
        """Take no more calls, and do what has been asked for. Idempotent."""
        self._closing = True
        if waiting := [call.future for call in self._calls]:
            await asyncio.wait(waiting)

    def close(self) -> None:
        """Close the connection. Idempotent."""
        if self._connection is not None:
            self._connection.close()

    async def call(self, operation: Operation, argument: Any, size: int = 1, durable: bool = False) -> Any:
        """Have `operation` done with `argument`, whose number of items is `size`."""
        if self._closing:
            raise StorageUnavailable(f"{self.name} is closed; open a new storage")
        future: asyncio.Future[Any] = self._loop.create_future()
        self._calls.append(Call(operation, argument, future, size, durable, self._loop.time() + self._patience))
        self._schedule()
        return await future

    @abstractmethod
    def transact(self, calls: Sequence[Call]) -> News | None:
        """Set the outcome of every call in one transaction, which may be left open if this raises.

        The answer is what is to be told once the outcome is settled.
        """

    def settle(self, calls: Sequence[Call], news: News | None) -> None:
        """Give the outcomes to the callers."""
        for call in calls:
            call.settle()
        if news:
            news()

    def _schedule(self, pause: float = 0.0) -> None:
        if self._turn is None:
            self._turn = self._loop.call_later(pause, self._go) if pause else self._loop.call_soon(self._go)

    def _go(self) -> None:
        self._turn = None
        self._execute(self._take())
        if self._calls:
            self._schedule()

    def _take(self) -> list[Call]:
        calls: list[Call] = []
        size = 0
        while self._calls and size < LARGEST_GO:
            call = self._calls.popleft()
            calls.append(call)
            size += call.size
        return calls

    def _execute(self, calls: Sequence[Call]) -> None:
        """One transaction for all; if a call spoils it by itself, one for each."""
        try:
            news = self.transact(calls)
        except Exception as error:
            _undo(self.connection)
            self._failed(calls, error)
        else:
            self.settle(calls, news)

    def _failed(self, calls: Sequence[Call], error: Exception) -> None:
        if is_busy(error) and self._loop.time() < calls[0].give_up_at:
            self._calls.extendleft(reversed(calls))
            self._schedule(BUSY_PAUSE)
            return
        problem = explain(error, self.name)
        if len(calls) > 1 and not isinstance(problem, MpcsfaasError):
            for call in calls:
                self._execute([call])
            return
        for call in calls:
            call.outcome = problem
            call.settle()


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
