"""All keys are in one slot of a cluster, no script looks at all of them, and none is left behind."""

import asyncio
import re
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import redis
from msgspec.structs import replace

from mpcsfaas.model import Quota, Task, TaskOptions, new_task_id
from mpcsfaas.testing.redis_server import RedisServer
from mpcsfaas.testing.storage_cases.world import complete, make_function, requeue
from mpcsfaas_storage_redis import RedisStorage
from mpcsfaas_storage_redis.scripts import load, names

Opened = Callable[..., AbstractAsyncContextManager[RedisStorage]]

BOUNDED = {
    *("GET", "MGET", "SETNX", "INCR", "INCRBY", "DEL", "EXPIRE", "TIME", "PUBLISH"),
    *("HGET", "HMGET", "HSET", "HDEL", "HINCRBY", "SADD", "SREM", "SCARD", "SPOP", "XADD", "XDEL", "XLEN"),
    *("ZADD", "ZREM", "ZCARD", "ZSCORE", "ZRANGE", "ZRANGEBYSCORE", "ZREVRANGEBYSCORE"),
    "SMEMBERS",  # Of `queues` alone: one member for each set of labels that waits.
}
OPTIONS = [
    TaskOptions(),
    TaskOptions(priority=3, group="group", labels=("b", "a"), idempotency_key="key", ttl=0),
    TaskOptions(delay=0.01, deadline=5, ttl=0),
]


async def live(storage: RedisStorage) -> None:
    """Everything that can happen to tasks."""
    function_id = make_function("work").id
    tasks = [Task(new_task_id(), function_id, b"x", "dill", time.time(), options) for options in OPTIONS * 2]
    await storage.enqueue(tasks)
    await storage.enqueue([new_task(after=(tasks[0].id, tasks[1].id))])
    await asyncio.sleep(0.02)
    attempts = await storage.claim("dispatcher", 10, 60, [frozenset({"a", "b"})])
    await storage.finish([requeue(attempts[0], time.time() + 60), *map(complete, attempts[1:3])])
    await storage.renew("dispatcher", [attempt.key for attempt in attempts], 60)
    await storage.cancel([tasks[-1].id, tasks[0].id])


def new_task(**options: Any) -> Task:
    return Task(new_task_id(), make_function("work").id, b"x", "dill", time.time(), TaskOptions(**options))


def slot(key: bytes) -> int:
    """The slot of a key: CRC16 (XMODEM) of its tag."""
    tag = re.match(rb"[^{]*\{([^}]+)\}", key)
    crc = 0
    for byte in tag.group(1) if tag else key:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1) ^ 0x1021 if crc & 0x8000 else crc << 1
    return crc & 0x3FFF


def test_every_key_is_in_one_slot_also_in_a_cluster(tmp_path: Path, opened: Opened) -> None:
    with RedisServer(tmp_path, arguments=["--cluster-enabled", "yes"]) as server:
        server.command("CLUSTER", "ADDSLOTS", *map(str, range(16384)))
        deadline = time.monotonic() + 20
        while b"cluster_state:ok" not in server.command("CLUSTER", "INFO"):
            assert time.monotonic() < deadline, "the cluster does not serve"
            time.sleep(0.01)
        asyncio.run(_live_in(opened, server.url))
        with redis.Redis(port=server.port) as client:
            keys = client.keys("*")
        assert len(keys) > 15
        assert {slot(key) for key in keys} == {slot(b"{mpcsfaas}:")}
        assert server.command("CLUSTER", "KEYSLOT", "{mpcsfaas}:") == b":%d\r\n" % slot(b"{mpcsfaas}:")


async def _live_in(opened: Opened, url: str) -> None:
    async with opened(url, prefix="mpcsfaas") as storage:
        await live(storage)


def test_no_script_looks_at_all_keys() -> None:
    for name in names():
        used = set(re.findall(r"redis\.p?call\('([A-Z]+)'", load(name).text))
        assert used <= BOUNDED, f"{name}.lua uses {used - BOUNDED}"
        assert load(name).text.count("SMEMBERS") <= 1


def test_a_forgotten_task_leaves_no_key(server: RedisServer, opened: Opened) -> None:
    counted: set[str] = set()

    async def end_held_tasks(storage: RedisStorage) -> None:
        """Run one of three tasks of an owner, which holds the others; end one of them, cancel the other, and it."""
        quota = Quota("key", max_queued=3, max_running=1)
        first, second, third = (replace(new_task(ttl=0), quota=quota) for _ in range(3))
        await storage.enqueue([first, second, third])
        (attempt,) = await storage.claim("dispatcher", 9, 60)
        with redis.Redis(port=server.port) as client:
            counted.update(key.decode().removeprefix("{tidy}:") for key in client.keys("{tidy}:*:key"))
        await storage.finish([complete(attempt)])
        await storage.cancel([third.id])
        await storage.claim("dispatcher", 1, 60)
        await storage.cancel([second.id])
        assert len(await storage.take_cancellations("dispatcher")) == 1
        assert (await storage.expire(), await storage.expire()) == (3, 0)
        assert await storage.claim("dispatcher", 1, 60) == []

    async def end_children(storage: RedisStorage) -> None:
        """Hold three tasks for a parent: cancel one before and one after its end, and run the third."""
        parent = new_task(ttl=0)
        early, late, last = (new_task(ttl=0, after=(parent.id,)) for _ in range(3))
        await storage.enqueue([parent, early, late, last])
        with redis.Redis(port=server.port) as client:
            counted.update(key.decode().partition(":")[2].partition(":")[0] for key in client.keys("*:parents:*"))
            counted.update(key.decode().partition(":")[2].partition(":")[0] for key in client.keys("*:children:*"))
        await storage.cancel([early.id])
        await storage.finish([complete(attempt) for attempt in await storage.claim("dispatcher", 9, 60)])
        await storage.cancel([late.id])
        await storage.finish([complete(attempt) for attempt in await storage.claim("dispatcher", 9, 60)])
        assert (await storage.expire(), await storage.expire()) == (4, 0)

    async def run() -> None:
        async with opened(server.url, prefix="tidy") as storage:
            task = Task(new_task_id(), make_function("work").id, b"x", "dill", time.time(), OPTIONS[1])
            await storage.enqueue([task])
            (attempt,) = await storage.claim("dispatcher", 1, 60, [frozenset({"a", "b"})])
            await storage.finish([complete(attempt, stdout="printed")])
            assert await storage.expire() == 1
            assert await storage.expire() == 0
            assert await storage.get_tasks([task.id]) == [None]
            assert await storage.claim("dispatcher", 1, 60, [frozenset({"a", "b"})]) == []
            await end_held_tasks(storage)
            await end_children(storage)

    asyncio.run(run())
    with redis.Redis(port=server.port) as client:
        left = {key.removeprefix(b"{tidy}:").decode() for key in client.keys("{tidy}:*")}
        assert client.xlen("{tidy}:feed") == 0
    assert counted == {"owner:key", "held:key", "parents", "children"}, "there was nothing to be left behind"
    function_id = make_function("work").id
    assert left == {"schema", "name", "functions", f"function:{function_id}", "position", "sequence", "work", "feed"}
