"""A server out of memory, a replica, a stranger's user: refused as a whole, and with the next step."""

import asyncio
import re
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from mpcsfaas.errors import SettingsError, StorageUnavailable
from mpcsfaas.interfaces.storage import TaskFilter
from mpcsfaas.model import State, Task, new_task_id
from mpcsfaas.testing.redis_server import RedisServer
from mpcsfaas.testing.storage_cases.world import complete, list_all, make_function
from mpcsfaas_storage_redis import RedisOptions, RedisStorage

DOCUMENT = Path(__file__).parents[2] / "docs" / "redis.md"
Opened = Callable[..., AbstractAsyncContextManager[RedisStorage]]


def new_tasks(count: int, size: int = 1000) -> list[Task]:
    return [Task(new_task_id(), make_function("work").id, b"x" * size, "dill", time.time()) for _ in range(count)]


def test_out_of_memory_new_tasks_are_refused_and_accepted_ones_end(own_server: RedisServer, opened: Opened) -> None:
    async def run() -> None:
        async with opened(own_server.url) as storage:
            accepted = [answer.task_id for answer in await storage.enqueue(new_tasks(700))]
            own_server.command("CONFIG", "SET", "maxmemory", "1mb")
            for count in (1, 100):
                with pytest.raises(StorageUnavailable, match="maxmemory"):
                    await storage.enqueue(new_tasks(count))
            with pytest.raises(StorageUnavailable, match="maxmemory"):
                await storage.put_function(make_function("another"))
            assert (await storage.statistics()).queued == len(accepted)
            assert len(await list_all(storage, TaskFilter(), 500)) == len(accepted), "half of a batch was accepted"
            attempts = await storage.claim("dispatcher", 10, 60)
            assert [attempt.task.id for attempt in attempts] == accepted[:10]
            assert await storage.renew("dispatcher", [attempt.key for attempt in attempts], 60) == []
            assert await storage.finish([complete(attempt) for attempt in attempts]) == [True] * 10
            assert await storage.cancel(accepted[10:20]) == [State.CANCELLED] * 10
            own_server.command("CONFIG", "SET", "maxmemory", "0")
            await storage.enqueue(new_tasks(1))

    asyncio.run(run())


def test_a_replica_is_unavailable_and_nothing_is_applied(own_server: RedisServer, opened: Opened) -> None:
    async def run() -> None:
        async with opened(own_server.url) as storage:
            own_server.command("REPLICAOF", "127.0.0.1", "1")
            with pytest.raises(StorageUnavailable, match="replica"):
                await storage.enqueue(new_tasks(1))
            own_server.command("REPLICAOF", "NO", "ONE")
            await storage.enqueue(new_tasks(1))
            assert (await storage.statistics()).queued == 1

    asyncio.run(run())


async def open_and_close(url: str, **options: Any) -> None:
    storage = RedisStorage(url, RedisOptions(**options))
    try:
        await storage.open()
    finally:
        await storage.close()


def test_a_wrong_or_missing_password_is_a_wrong_setting(tmp_path: Path) -> None:
    with RedisServer(tmp_path, arguments=["--requirepass", "secret"]) as server:
        for login in ("", ":wrong@", "nobody:wrong@"):
            with pytest.raises(SettingsError, match="user and password") as refusal:
                asyncio.run(open_and_close(server.url.replace("redis://", f"redis://{login}")))
            assert "wrong@" not in str(refusal.value)
        asyncio.run(open_and_close(server.url.replace("redis://", "redis://:secret@")))


def test_the_documented_user_is_enough(own_server: RedisServer, opened: Opened) -> None:
    (rule,) = re.findall(r"^ +ACL SETUSER (.+)$", DOCUMENT.read_text(), re.MULTILINE)
    assert own_server.command("ACL", "SETUSER", *rule.split()).startswith(b"+OK")
    user, password = rule.split()[0], re.search(r">(\S+)", rule).group(1)  # type: ignore[union-attr]

    async def run() -> None:
        url = own_server.url.replace("redis://", f"redis://{user}:{password}@")
        async with opened(url, prefix="mpcsfaas") as storage:
            await storage.enqueue(new_tasks(3))
            attempts = await storage.claim("dispatcher", 2, 60)
            await storage.finish([complete(attempt) for attempt in attempts])
            await storage.expire()
            assert len(await list_all(storage)) == 3
            assert (await storage.statistics()).completed == 2

    asyncio.run(run())


def test_a_user_without_rights_is_a_wrong_setting(own_server: RedisServer) -> None:
    own_server.command("ACL", "SETUSER", "nobody", "on", ">secret", "~other:*", "+@all")
    with pytest.raises(SettingsError, match="ACL"):
        asyncio.run(open_and_close(own_server.url.replace("redis://", "redis://nobody:secret@")))


def test_a_server_that_drops_keys_is_refused(tmp_path: Path) -> None:
    with (
        RedisServer(tmp_path, arguments=["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"]) as server,
        pytest.raises(SettingsError, match="noeviction"),
    ):
        asyncio.run(open_and_close(server.url))


def test_data_of_another_version_is_refused(server: RedisServer) -> None:
    server.command("SET", "{later}:schema", "1")
    with pytest.raises(SettingsError, match="version 1, not 2"):
        asyncio.run(open_and_close(server.url, prefix="later"))


def test_tls_to_a_server_without_it_is_unavailable(server: RedisServer) -> None:
    with pytest.raises(StorageUnavailable, match="cannot be reached"):
        asyncio.run(open_and_close(server.url.replace("redis://", "rediss://"), timeout=0.5))
