"""What every case of the storage contract starts from: an open storage, a movable clock, short ways to do things."""

import asyncio
import inspect
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from mpcsfaas.interfaces import Storage
from mpcsfaas.interfaces.storage import Enqueued, EnqueueStatus, Page, TaskFilter
from mpcsfaas.model import (
    Attempt,
    AttemptRecord,
    Budget,
    Failure,
    FailureKind,
    Function,
    State,
    Task,
    TaskOptions,
    TaskRecord,
    Transition,
    function_id,
    new_task_id,
)
from mpcsfaas.testing.clock import FakeClock

LEASE = 10.0
PATIENCE = 20.0
"""Seconds after which a wait is taken to be one for ever."""


class Contract(ABC):
    """What a storage's author says about it."""

    @abstractmethod
    def make(self, folder: Path, clock: Callable[[], float], max_unfinished: int) -> Storage:
        """A new instance, not opened, on the data of `folder`: the same folder means the same data."""


class World:
    """One storage with one registered function, while a case runs."""

    def __init__(self, contract: Contract, folder: Path) -> None:
        self._contract = contract
        self._folder = folder
        self._opened: list[Storage] = []
        self.clock = FakeClock()
        self.function = make_function("work")

    async def __aenter__(self) -> "World":
        self.storage = await self.open()
        await self.storage.put_function(self.function)
        return self

    async def __aexit__(self, *_: object) -> None:
        for storage in self._opened:
            await storage.close()

    async def open(self, max_unfinished: int = 1_000_000) -> Storage:
        """One more instance on the same data."""
        storage = self._contract.make(self._folder, self.clock, max_unfinished)
        await storage.open()
        self._opened.append(storage)
        return storage

    def task(self, function: Function | None = None, **options: Any) -> Task:
        """A task that is not enqueued yet."""
        function = function or self.function
        return Task(new_task_id(), function.id, b"arguments", "dill", self.clock(), TaskOptions(**options))

    async def accept(self, count: int = 1, **options: Any) -> list[Task]:
        """Enqueue that many tasks, which must be accepted."""
        tasks = [self.task(**options) for _ in range(count)]
        answers = await self.storage.enqueue(tasks)
        assert answers == [Enqueued(EnqueueStatus.ACCEPTED, task.id) for task in tasks]
        return tasks

    async def claim(self, limit: int = 100, dispatcher: str = "dispatcher", **offers: Any) -> list[Attempt]:
        """Claim for the usual lease."""
        return await self.storage.claim(dispatcher, limit, LEASE, **offers)

    async def start(self, **options: Any) -> Attempt:
        """A task that runs, held by `dispatcher`. Nothing else may be ready."""
        (task,) = await self.accept(**options)
        (attempt,) = await self.claim()
        assert attempt.task == task
        return attempt

    async def end(self, **options: Any) -> Attempt:
        """A task that has completed with the value `b"value"`."""
        attempt = await self.start(**options)
        assert await self.storage.finish([complete(attempt)]) == [True]
        return attempt

    async def record(self, task_id: str) -> TaskRecord:
        """The record of a task that must be known."""
        (record,) = await self.storage.get_tasks([task_id])
        assert record is not None, f"task {task_id} is lost"
        return record

    async def state(self, task_id: str) -> State:
        """The state of a task that must be known."""
        return (await self.record(task_id)).state


Case = Callable[[Any, World], Awaitable[None]]


def case(function: Case) -> Callable[[Contract, Path], None]:
    """Turn an async method that takes a `World` into a test that pytest can call without any plugin."""

    def test(self: Contract, tmp_path: Path) -> None:
        async def run() -> None:
            async with asyncio.timeout(PATIENCE), World(self, tmp_path) as world:
                await function(self, world)

        asyncio.run(run())

    test.__name__ = function.__name__
    test.__qualname__ = function.__qualname__
    test.__module__ = function.__module__
    test.__doc__ = inspect.getdoc(function)
    return test


def make_function(name: str, payload: bytes = b"") -> Function:
    """A function whose content is its name, unless it is given."""
    payload = payload or b"code of " + name.encode()
    return Function(function_id(name, "dill", payload), name, payload, "dill", 1.5, "3.11", "0.4.0", f"does {name}")


def complete(attempt: Attempt, value: bytes = b"value", stdout: str = "", stderr: str = "") -> Transition:
    """The attempt returned `value`."""
    record = AttemptRecord(attempt.number, "worker", attempt.claimed_at, 2.0, 3.0, 4.0)
    return Transition(attempt.key, State.COMPLETED, record, value, stdout=stdout, stderr=stderr)


def fail(attempt: Attempt, kind: FailureKind = FailureKind.EXCEPTION, value: bytes = b"raised") -> Transition:
    """The attempt failed, and its task with it."""
    failure = Failure(kind, "no luck", "ValueError", "the traceback")
    return Transition(attempt.key, State.FAILED, AttemptRecord(attempt.number, failure=failure), value, failure)


def requeue(attempt: Attempt, ready_at: float = 0.0, budget: Budget = Budget.NONE, stdout: str = "") -> Transition:
    """The attempt failed, and its task is to be tried again."""
    record = AttemptRecord(attempt.number, failure=Failure(FailureKind.WORKER_LOST, "gone"))
    return Transition(attempt.key, State.QUEUED, record, ready_at=ready_at, budget=budget, stdout=stdout)


async def list_all(storage: Storage, criteria: TaskFilter | None = None, limit: int = 100) -> list[TaskRecord]:
    """Every page of a listing, joined."""
    records: list[TaskRecord] = []
    page: Page[TaskRecord] = await storage.list_tasks(criteria or TaskFilter(), limit=limit)
    records += page.items
    while page.cursor is not None:
        page = await storage.list_tasks(criteria or TaskFilter(), page.cursor, limit)
        records += page.items
    return records
