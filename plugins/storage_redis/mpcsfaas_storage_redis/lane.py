"""A thread with a connection of its own, that sends in one go all the commands which came while it was busy."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Any

from redis.exceptions import ResponseError

from mpcsfaas.errors import MpcsfaasError, StorageUnavailable
from mpcsfaas_storage_redis.backoff import Backoff
from mpcsfaas_storage_redis.connection import Command, Session
from mpcsfaas_storage_redis.problems import explain, is_of_replica

LARGEST_GO = 1000
"""Commands after which the calls that wait are left for the next go."""


@dataclass(slots=True)
class Call:
    """Commands of one caller. `outcome` is their answers, or the exception to raise."""

    commands: Sequence[Command]
    future: "asyncio.Future[list[Any]]"
    outcome: Any = None

    def settle(self) -> None:
        """Give the outcome to the caller, who may have left."""
        if self.future.done():
            return
        if isinstance(self.outcome, BaseException):
            self.future.set_exception(self.outcome)
        else:
            self.future.set_result(self.outcome)


class Lane:
    """Calls go in from the event loop's thread; their outcomes come back to it, with one wake-up for a whole go.

    A connection that is lost fails the calls that were under way, and is made anew for the next, though not at once
    if that has just failed: then the calls fail at once.
    """

    def __init__(self, name: str, connect: Callable[[], Session]) -> None:
        self._name = name
        self._connect = connect
        self._session: Session | None = None
        self._backoff = Backoff()
        self._problem: MpcsfaasError | None = None
        self._queue: SimpleQueue[Call | None] = SimpleQueue()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin; the first call connects."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    async def stop(self) -> None:
        """Do what has been asked for, and hang up. Idempotent."""
        self._closing = True
        self._queue.put(None)
        if self._thread.ident is not None:
            await asyncio.to_thread(self._thread.join)

    async def call(self, commands: Sequence[Command]) -> list[Any]:
        """The answer to each command, none of which is an error. Raises `StorageUnavailable` and others."""
        if self._closing:
            raise StorageUnavailable(f"{self._name} is closed; open a new storage")
        future: asyncio.Future[list[Any]] = self._loop.create_future()
        self._queue.put(Call(commands, future))
        return await future

    # In the thread

    def _run(self) -> None:
        try:
            while not (self._closing and self._queue.empty()):
                calls = self._take()
                if calls:
                    self._go(calls)
                    self._post(_settle, calls)
        finally:
            self._hang_up()

    def _take(self) -> list[Call]:
        """Every call that waits."""
        calls: list[Call] = []
        size = 0
        call = self._queue.get()
        with suppress(Empty):
            while call is not None:
                calls.append(call)
                size += len(call.commands)
                call = self._queue.get_nowait() if size < LARGEST_GO else None
        return calls

    def _go(self, calls: Sequence[Call]) -> None:
        try:
            answers = self._connected().exchange([command for call in calls for command in call.commands])
        except Exception as error:
            self._hang_up()
            for call in calls:
                call.outcome = explain(error, self._name)
        else:
            start = 0
            for call in calls:
                call.outcome = self._judge(answers[start : start + len(call.commands)])
                start += len(call.commands)

    def _judge(self, answers: list[Any]) -> list[Any] | MpcsfaasError:
        for answer in answers:
            if isinstance(answer, ResponseError):
                if is_of_replica(answer):
                    self._hang_up()
                return explain(answer, self._name)
        return answers

    def _connected(self) -> Session:
        if self._session and self._session.is_stale():
            self._hang_up()
        if not self._session:
            self._session = self._reconnect()
        return self._session

    def _reconnect(self) -> Session:
        if self._problem and not self._backoff.may_try(monotonic()):
            raise self._problem
        try:
            session = self._connect()
        except Exception as error:
            self._backoff.failed(monotonic())
            self._problem = explain(error, self._name)
            raise self._problem from error
        self._backoff.succeeded()
        self._problem = None
        return session

    def _hang_up(self) -> None:
        if self._session:
            self._session.close()
            self._session = None

    def _post(self, act: Callable[..., object], *arguments: object) -> None:
        with suppress(RuntimeError):  # The loop is closed: nobody waits any more.
            self._loop.call_soon_threadsafe(act, *arguments)


def _settle(calls: Sequence[Call]) -> None:
    for call in calls:
        call.settle()
