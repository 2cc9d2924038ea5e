"""`sqlite` and its file: URLs, permissions, foreign and damaged files, other writers, a full disk."""

import asyncio
import sqlite3
import stat
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from mpcsfaas.errors import MpcsfaasError, SettingsError, StorageUnavailable
from mpcsfaas.interfaces.storage import EnqueueStatus
from mpcsfaas.model import Function, Task, new_task_id
from mpcsfaas_storage_sqlite import SqliteOptions, SqliteStorage
from mpcsfaas_storage_sqlite.location import path_of
from mpcsfaas_storage_sqlite.problems import ADVICE, explain
from mpcsfaas_storage_sqlite.schema import VERSION
from mpcsfaas_storage_sqlite.transaction import Transaction, each

FUNCTION = Function("work", "work", b"code", "dill", 0.0)


def make_task(payload: bytes = b"") -> Task:
    return Task(new_task_id(), FUNCTION.id, payload, "dill", 0.0)


def using(path: Path, act: Callable[[SqliteStorage], Awaitable[None]], options: SqliteOptions | None = None) -> None:
    """Do something with an open storage."""

    async def scenario() -> None:
        storage = SqliteStorage(f"sqlite:///{path}", options or SqliteOptions())
        try:
            async with asyncio.timeout(20):
                await storage.open()
                await storage.put_function(FUNCTION)
                await act(storage)
        finally:
            await storage.close()

    asyncio.run(scenario())


async def nothing(_: SqliteStorage) -> None: ...


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///name.db", Path.cwd() / "name.db"),
        ("sqlite:///folder/my name.db", Path.cwd() / "folder/my name.db"),
        ("sqlite:////absolute/name.db", Path("/absolute/name.db")),
    ],
)
def test_a_url_names_a_path(url: str, path: Path) -> None:
    assert path_of(url) == path


@pytest.mark.parametrize(
    "url",
    [
        "",
        "sqlite:",
        "sqlite://",
        "sqlite:///",
        "sqlite:////",
        "sqlite://host/name.db",
        "sqlite:///folder/",
        "sqlite:///:memory:",
        "sqlite:///name.db?mode=ro",
        "sqlite:///name.db#part",
        "sqlite:///name\0.db",
        "redis:///name.db",
    ],
)
def test_a_url_that_names_none_is_refused(url: str) -> None:
    storage = SqliteStorage(url, SqliteOptions())
    with pytest.raises(SettingsError, match=r"of the form|write|flags|use memory"):
        asyncio.run(storage.open())


def test_file_and_folders_are_made_for_their_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "new" / "newer" / "storage.db"
    modes: list[int] = []

    async def look(_: SqliteStorage) -> None:
        modes.extend(stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir())

    using(path, look)
    assert [stat.S_IMODE(folder.stat().st_mode) for folder in (path.parent, path.parent.parent)] == [0o700] * 2
    assert modes == [0o600] * 3


def test_closing_leaves_one_file(tmp_path: Path) -> None:
    using(tmp_path / "storage.db", nothing)
    assert [file.name for file in tmp_path.iterdir()] == ["storage.db"]


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="is a folder"):
        using(tmp_path, nothing)


def test_a_path_through_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match="leads through a file"):
        using(tmp_path / "file" / "storage.db", nothing)


def test_a_place_where_nothing_can_be_made_is_unavailable() -> None:
    with pytest.raises(StorageUnavailable, match="cannot be opened for writing"):
        using(Path("/proc/storage.db"), nothing)


def test_a_file_of_another_kind_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "storage.db"
    path.write_bytes(b"something else entirely " * 1000)
    with pytest.raises(SettingsError, match="not an SQLite database"):
        using(path, nothing)
    assert path.read_bytes() == b"something else entirely " * 1000


def test_a_database_of_another_program_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "storage.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE task (theirs)")
    connection.close()
    with pytest.raises(SettingsError, match="another program's database"):
        using(path, nothing)
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT name FROM sqlite_schema").fetchall() == [("task",)]
    connection.close()


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "storage.db"
    using(path, nothing)
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version = {VERSION + 1}")
    connection.close()
    with pytest.raises(SettingsError, match=rf"schema version {VERSION + 1}.*knows {VERSION}.*upgrade"):
        using(path, nothing)


def test_a_damaged_file_is_unavailable(tmp_path: Path) -> None:
    path = tmp_path / "storage.db"

    async def fill(storage: SqliteStorage) -> None:
        await storage.enqueue([make_task(b"x" * 1000) for _ in range(200)])

    using(path, fill)
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xa5" * (len(content) - 4096)
    path.write_bytes(content)
    with pytest.raises(StorageUnavailable, match="damaged"):
        using(path, fill)


def test_another_writer_for_too_long_is_unavailable_and_then_it_works(tmp_path: Path) -> None:
    path = tmp_path / "storage.db"

    async def compete(storage: SqliteStorage) -> None:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        task = make_task()
        with pytest.raises(StorageUnavailable, match="another process"):
            await storage.enqueue([task])
        assert await storage.get_tasks([task.id]) == [None]
        other.execute("ROLLBACK")
        other.close()
        assert [answer.status for answer in await storage.enqueue([task])] == [EnqueueStatus.ACCEPTED]

    using(path, compete, SqliteOptions(busy_timeout=0.05))


@each
def only_read(transaction: Transaction, _: None) -> None:
    """Refuse every change from now on, as in a file that is read-only."""
    transaction.execute("PRAGMA query_only = ON")


def test_a_read_only_file_is_unavailable_and_can_be_read(tmp_path: Path) -> None:
    async def act(storage: SqliteStorage) -> None:
        before, after = make_task(), make_task()
        await storage.enqueue([before])
        await storage._write(only_read, None)
        with pytest.raises(StorageUnavailable, match="read-only; make it"):
            await storage.enqueue([after])
        known = await storage.get_tasks([before.id, after.id])
        assert [record and record.id for record in known] == [before.id, None]

    using(tmp_path / "storage.db", act)


@each
def limit_pages(transaction: Transaction, number: int) -> None:
    """Let the file have no more pages than so many, as on a disk that is full."""
    transaction.execute(f"PRAGMA max_page_count = {number}")


async def enqueue_until_refused(storage: SqliteStorage) -> tuple[list[Task], list[Task], StorageUnavailable]:
    """What was accepted, what was refused, and why."""
    accepted: list[Task] = []
    while len(accepted) < 10_000:
        batch = [make_task(b"x" * 5000) for _ in range(7)]
        try:
            await storage.enqueue(batch)
        except StorageUnavailable as error:
            return accepted, batch, error
        accepted += batch
    raise AssertionError("the disk is never full")


def test_a_full_disk_refuses_whole_batches_and_recovers(tmp_path: Path) -> None:
    async def fill(storage: SqliteStorage) -> None:
        await storage._write(limit_pages, 200)
        accepted, refused, error = await enqueue_until_refused(storage)
        assert "the disk is full; free some space" in str(error)
        assert await storage.get_tasks([task.id for task in refused]) == [None] * 7
        assert (await storage.statistics()).queued == len(accepted) > 0
        await storage._write(limit_pages, 10_000)
        assert [answer.status for answer in await storage.enqueue(refused)] == [EnqueueStatus.ACCEPTED] * 7
        claimed = await storage.claim("dispatcher", 10_000, 60)
        assert [attempt.task for attempt in claimed] == accepted + refused

    using(tmp_path / "storage.db", fill)


@pytest.mark.parametrize("code", ADVICE)
def test_every_failure_of_the_storage_is_explained(code: int) -> None:
    error = sqlite3.OperationalError("what sqlite says")
    error.sqlite_errorcode = code
    explained = explain(error, "storage file x")
    assert isinstance(explained, MpcsfaasError)
    assert str(explained) == f"storage file x: what sqlite says: {ADVICE[code]}"


def test_a_closed_storage_is_unavailable(tmp_path: Path) -> None:
    async def close(storage: SqliteStorage) -> None:
        await storage.close()
        calls: list[Awaitable[object]] = [
            storage.enqueue([make_task()]),
            storage.get_tasks(["unknown"]),
            storage.wait_for_work("dispatcher", 1.0),
        ]
        for call in calls:
            with pytest.raises(StorageUnavailable, match="closed"):
                await call

    using(tmp_path / "storage.db", close)
