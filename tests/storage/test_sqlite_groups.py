"""`sqlite`: calls that wait share a transaction, none spoils another, and no question costs a scan of all tasks."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from mpcsfaas.errors import StorageUnavailable
from mpcsfaas.interfaces.storage import EnqueueStatus, TaskFilter
from mpcsfaas.model import Function, State, Task, TaskOptions, new_task_id
from mpcsfaas_storage_sqlite import SqliteOptions, SqliteStorage, disk
from mpcsfaas_storage_sqlite.options import Synchronous
from mpcsfaas_storage_sqlite.transaction import Transaction, each

FUNCTION = Function("work", "work", b"code", "dill", 0.0)


def make_task(**options: Any) -> Task:
    return Task(new_task_id(), FUNCTION.id, b"", "dill", 0.0, TaskOptions(**options))


def using(folder: Path, act: Callable[[SqliteStorage], Awaitable[None]], options: SqliteOptions | None = None) -> None:
    async def scenario() -> None:
        storage = SqliteStorage(f"sqlite:///{folder}/storage.db", options or SqliteOptions())
        async with asyncio.timeout(20):
            await storage.open()
            await storage.put_function(FUNCTION)
            await act(storage)
            await storage.close()

    asyncio.run(scenario())


@each
def trace(transaction: Transaction, statements: list[str]) -> None:
    """Note every statement from now on."""
    transaction.connection.set_trace_callback(statements.append)


async def together(calls: Sequence[Awaitable[Any]]) -> list[Any]:
    """Make the calls in one turn of the event loop, so that all of them wait together; their answers and errors."""
    return await asyncio.gather(*calls, return_exceptions=True)


def commits(statements: Sequence[str]) -> int:
    return sum(statement == "COMMIT" for statement in statements)


def test_calls_that_wait_share_one_transaction(tmp_path: Path) -> None:
    async def act(storage: SqliteStorage) -> None:
        statements: list[str] = []
        await storage._write(trace, statements)
        tasks = [make_task() for _ in range(100)]
        answers = await together([storage.enqueue([task]) for task in tasks])
        assert [answer[0].task_id for answer in answers] == [task.id for task in tasks]
        assert commits(statements) == 2  # One of `trace`, and one of them all.
        inserts = [statement for statement in statements if "INSERT INTO task" in statement]
        assert len(inserts) < 10

    using(tmp_path, act)


def test_a_call_that_fails_spoils_no_other(tmp_path: Path) -> None:
    async def act(storage: SqliteStorage) -> None:
        good, bad, late = make_task(), make_task(priority=1 << 70), make_task()
        answers = await together(
            [storage.enqueue([good]), storage.enqueue([bad]), storage.cancel([good.id]), storage.enqueue([late])]
        )
        assert isinstance(answers[1], OverflowError)
        assert [answers[index][0].status for index in (0, 3)] == [EnqueueStatus.ACCEPTED] * 2
        assert answers[2] == [State.CANCELLED]
        assert await storage.get_tasks([bad.id]) == [None]
        statistics = await storage.statistics()
        assert (statistics.queued, statistics.cancelled) == (1, 1)

    using(tmp_path, act)


def test_a_full_queue_refuses_only_the_batches_without_room(tmp_path: Path) -> None:
    async def act(storage: SqliteStorage) -> None:
        batches = [[make_task() for _ in range(size)] for size in (3, 4, 2)]
        answers = await together([storage.enqueue(batch) for batch in batches])
        assert [type(answer).__name__ for answer in answers] == ["list", "QueueFull", "list"]
        assert (await storage.statistics()).queued == 5

    using(tmp_path, act, SqliteOptions(max_unfinished=5))


def test_batches_that_share_a_transaction_know_of_each_other(tmp_path: Path) -> None:
    async def act(storage: SqliteStorage) -> None:
        task = make_task(idempotency_key="key")
        twin = make_task(idempotency_key="key")
        answers = await together([storage.enqueue([task]), storage.enqueue([task]), storage.enqueue([twin])])
        assert [answer[0] for answer in answers] == [
            (EnqueueStatus.ACCEPTED, task.id),
            (EnqueueStatus.DUPLICATE, task.id),
            (EnqueueStatus.DUPLICATE, task.id),
        ]

    using(tmp_path, act)


def test_a_caller_that_leaves_harms_nobody(tmp_path: Path) -> None:
    async def act(storage: SqliteStorage) -> None:
        leaving, staying = make_task(), make_task()
        one, other = (asyncio.ensure_future(storage.enqueue([task])) for task in (leaving, staying))
        await asyncio.sleep(0)
        one.cancel()
        answers = await together([one, other])
        assert isinstance(answers[0], asyncio.CancelledError)
        assert answers[1][0].status is EnqueueStatus.ACCEPTED
        assert [record and record.id for record in await storage.get_tasks([staying.id])] == [staying.id]

    using(tmp_path, act)


@pytest.mark.parametrize(("synchronous", "expected"), [(Synchronous.FULL, 2), (Synchronous.NORMAL, 0)])
def test_what_must_last_is_synced_before_the_answer_and_a_claim_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, synchronous: Synchronous, expected: int
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fdatasync", synced.append)

    async def act(storage: SqliteStorage) -> None:
        synced.clear()
        await together([storage.enqueue([make_task()]) for _ in range(10)])
        await storage.claim("dispatcher", 1, 60)
        await storage.cancel(["unknown"])
        assert len(synced) == expected

    using(tmp_path, act, SqliteOptions(synchronous=synchronous))


def test_an_answer_waits_for_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def act(storage: SqliteStorage) -> None:
        let_go = Event()
        monkeypatch.setattr(os, "fdatasync", lambda _: let_go.wait(20))
        answer = asyncio.ensure_future(storage.enqueue([make_task()]))
        await storage.wait_for_work("dispatcher", 10)  # The first returns at once.
        await storage.wait_for_work("dispatcher", 10)
        assert await storage.claim("dispatcher", 1, 60), "what follows from a change may overlap with its sync"
        assert not answer.done()
        let_go.set()
        assert (await answer)[0].status is EnqueueStatus.ACCEPTED

    using(tmp_path, act)


def test_a_disk_that_fails_to_sync_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: int) -> None:
        raise OSError(5, "Input/output error")

    async def act(storage: SqliteStorage) -> None:
        with monkeypatch.context() as broken:
            broken.setattr(os, "fdatasync", fail)
            with pytest.raises(StorageUnavailable, match=r"the disk failed.*Input/output error"):
                await storage.enqueue([make_task()])
        assert (await storage.enqueue([make_task()]))[0].status is EnqueueStatus.ACCEPTED

    using(tmp_path, act)


def test_the_log_is_folded_back_while_writing_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "FOLD_INTERVAL", 0.0)

    async def act(storage: SqliteStorage) -> None:
        batch, batches = 200 * 10_000, 60
        for _ in range(batches):
            tasks = [Task(new_task_id(), FUNCTION.id, b"x" * 10_000, "dill", 0.0) for _ in range(200)]
            await storage.enqueue(tasks)
        assert (tmp_path / "storage.db-wal").stat().st_size < batch * batches / 4
        assert (tmp_path / "storage.db").stat().st_size > batch * batches / 2

    using(tmp_path, act)


def test_a_page_of_two_filters_is_bounded_and_the_listing_complete(tmp_path: Path) -> None:
    async def act(storage: SqliteStorage) -> None:
        wanted = [make_task(group="group") for _ in range(3)]
        await storage.enqueue(wanted)
        await storage.cancel([task.id for task in wanted])
        await storage.enqueue([make_task(group="group") for _ in range(25_000)])
        criteria = TaskFilter(State.CANCELLED, group="group")
        found, pages, cursor = [], 0, None
        while pages == 0 or cursor:
            page = await storage.list_tasks(criteria, cursor)
            found += [record.id for record in page.items]
            pages, cursor = pages + 1, page.cursor
        assert found == [task.id for task in reversed(wanted)]
        assert pages == 3

    using(tmp_path, act)
