"""`sqlite`: no call costs more because there are more tasks, counted in steps of SQLite's own machine."""

import asyncio
import sqlite3
from collections.abc import Awaitable, Sequence
from pathlib import Path
from typing import Any

from mpcsfaas.interfaces.storage import TaskFilter
from mpcsfaas.model import AttemptRecord, Function, State, Task, TaskOptions, Transition, new_task_id
from mpcsfaas_storage_sqlite import SqliteOptions, SqliteStorage
from mpcsfaas_storage_sqlite.transaction import Transaction

FUNCTION = Function("work", "work", b"code", "dill", 0.0)
FEW, MANY = 900, 9_000
STEPS_PER_TICK = 10
SLACK = 60
"""Ticks by which two costs may differ, since indexes grow deeper and pages fill differently."""


def make_tasks(count: int, **options: Any) -> list[Task]:
    return [Task(new_task_id(), FUNCTION.id, b"", "dill", 5.0, TaskOptions(**options)) for _ in range(count)]


class Meter:
    """Counts what the calls of one storage cost."""

    def __init__(self, storage: SqliteStorage) -> None:
        self.storage = storage
        self.ticks = 0
        self.costs: dict[str, int] = {}

    def count(self) -> None:
        self.ticks += 1

    async def attach(self) -> None:
        def attach(context: Transaction | sqlite3.Connection, _: Sequence[None]) -> list[None]:
            connection = context if isinstance(context, sqlite3.Connection) else context.connection
            connection.set_progress_handler(self.count, STEPS_PER_TICK)
            return [None]

        await self.storage._writer.call(attach, None)
        await self.storage._reader.call(attach, None)

    async def measure(self, name: str, call: Awaitable[Any]) -> Any:
        before = self.ticks
        answer = await call
        self.costs[name] = self.ticks - before
        return answer


async def fill(storage: SqliteStorage, count: int) -> None:
    """Tasks in every state, delayed ones and ones with labels, a deadline or a group; some have expired."""
    await storage.put_function(FUNCTION)
    kinds: list[dict[str, Any]] = [{}, {"group": "group"}, {"labels": ("a",)}, {"priority": 1}]
    for options in kinds:
        await storage.enqueue(make_tasks(count, **options))
        attempts = await storage.claim("dispatcher", count // 2, 60, [frozenset({"a"})])
        record = AttemptRecord(1)
        await storage.finish([Transition(attempt.key, State.COMPLETED, record) for attempt in attempts[::3]])
        await storage.finish([Transition(attempt.key, State.FAILED, record) for attempt in attempts[1::3]])
    await storage.enqueue(make_tasks(count, delay=60, deadline=60))
    ended = make_tasks(count, ttl=0)
    await storage.enqueue(ended)
    await storage.cancel([task.id for task in ended])
    await storage.expire(count // 2)


async def work(meter: Meter) -> None:
    """Every kind of call, on ten tasks."""
    storage = meter.storage
    tasks = make_tasks(10, group="group", idempotency_key="key")
    await meter.measure("enqueue", storage.enqueue(make_tasks(10, group="group", priority=2)))
    await meter.measure("enqueue with a key", storage.enqueue(tasks))
    attempts = await meter.measure("claim", storage.claim("worker", 10, 60, [frozenset({"a"}), frozenset({"b"})]))
    await meter.measure("claim_lapsed", storage.claim_lapsed("worker", 10, 60))
    await meter.measure("claim_overdue", storage.claim_overdue("worker", 10, 60, default_deadline=60))
    await meter.measure("renew", storage.renew("worker", [attempt.key for attempt in attempts], 60))
    record = AttemptRecord(1)
    await meter.measure(
        "finish", storage.finish([Transition(attempt.key, State.COMPLETED, record) for attempt in attempts[:5]])
    )
    await meter.measure(
        "requeue", storage.finish([Transition(attempt.key, State.QUEUED, record) for attempt in attempts[5:]])
    )
    await meter.measure("cancel", storage.cancel([task.id for task in tasks]))
    await meter.measure("take_cancellations", storage.take_cancellations("worker"))
    await meter.measure("get_tasks", storage.get_tasks([attempt.task.id for attempt in attempts]))
    await meter.measure("get_results", storage.get_results([attempt.task.id for attempt in attempts]))
    filters = [TaskFilter(), TaskFilter(function_id=FUNCTION.id), TaskFilter(group="group")]
    filters += [TaskFilter(state) for state in State if state is not State.RUNNING]
    for criteria in filters:
        await meter.measure(f"list {criteria}", storage.list_tasks(criteria, limit=10))
    latest = await storage.latest_completion()
    await meter.measure("completions", storage.completions(latest - 10))
    await meter.measure("completions of a group", storage.completions(latest - 10, group="group"))
    await meter.measure("statistics", storage.statistics())
    await meter.measure("expire", storage.expire(10))


def costs(folder: Path, count: int) -> dict[str, int]:
    async def scenario() -> dict[str, int]:
        storage = SqliteStorage(f"sqlite:///{folder}/{count}.db", SqliteOptions(), clock=lambda: 10.0)
        await storage.open()
        await fill(storage, count)
        meter = Meter(storage)
        await meter.attach()
        await work(meter)
        await storage.close()
        return meter.costs

    return asyncio.run(scenario())


def test_no_call_costs_more_with_ten_times_the_tasks(tmp_path: Path) -> None:
    few, many = costs(tmp_path, FEW), costs(tmp_path, MANY)
    assert min(few.values()) > 0
    grown = {name: (few[name], many[name]) for name in few if many[name] > few[name] + SLACK}
    assert grown == {}


def test_the_meter_notices_a_scan(tmp_path: Path) -> None:
    def scan(connection: sqlite3.Connection, _: Sequence[None]) -> list[Any]:
        return connection.execute("SELECT count(*) FROM task WHERE attempt = 7").fetchall()

    async def cost(count: int) -> int:
        storage = SqliteStorage(f"sqlite:///{tmp_path}/{count}.db", SqliteOptions())
        await storage.open()
        await storage.put_function(FUNCTION)
        await storage.enqueue(make_tasks(count))
        meter = Meter(storage)
        await meter.attach()
        await meter.measure("scan", storage._reader.call(scan, None))
        await storage.close()
        return meter.costs["scan"]

    assert asyncio.run(cost(MANY)) > asyncio.run(cost(FEW)) + SLACK
