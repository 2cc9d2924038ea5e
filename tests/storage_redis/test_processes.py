"""Several processes claim from one server."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from mpcsfaas.model import Attempt, AttemptKey, Budget, State, Task, new_task_id
from mpcsfaas.testing.redis_server import RedisServer
from mpcsfaas.testing.storage_cases.world import make_function, requeue
from mpcsfaas_storage_redis import RedisStorage

Opened = Callable[..., AbstractAsyncContextManager[RedisStorage]]

COUNT = 600
DISPATCHER = """
import asyncio, sys
from mpcsfaas.testing.storage_cases.world import complete
from mpcsfaas_storage_redis import RedisOptions, RedisStorage

async def drain(url, name):
    storage = RedisStorage(url, RedisOptions(prefix="shared"))
    await storage.open()
    while True:
        await storage.wait_for_work(name, 0.2)
        while attempts := await storage.claim(name, 7, 60):
            assert all(await storage.finish([complete(attempt) for attempt in attempts]))
            print(*(attempt.task.id for attempt in attempts), sep="\\n", flush=True)
        if not (await storage.statistics()).queued:
            break
    await storage.close()

asyncio.run(drain(*sys.argv[1:]))
"""

CLAIMANT = """
import asyncio, sys
from mpcsfaas_storage_redis import RedisOptions, RedisStorage

async def hold(url):
    storage = RedisStorage(url, RedisOptions(prefix="bereft"))
    await storage.open()
    print(len(await storage.claim("dies", 5, 0.5)), flush=True)
    await asyncio.sleep(600)

asyncio.run(hold(sys.argv[1]))
"""


def test_a_dispatcher_takes_over_from_one_that_was_killed(server: RedisServer, opened: Opened) -> None:
    function_id = make_function("work").id
    tasks = [Task(new_task_id(), function_id, b"x", "dill", time.time()) for _ in range(5)]

    async def run() -> None:
        async with opened(server.url, prefix="bereft") as storage, asyncio.timeout(30):
            await storage.enqueue(tasks)
            await asyncio.to_thread(claim_and_die, server.url)
            taken: list[Attempt] = []
            while len(taken) < len(tasks):
                await storage.wait_for_work("heir", 0.02)
                taken += await storage.claim_lapsed("heir", 10, 60)
            assert sorted(attempt.key for attempt in taken) == sorted(AttemptKey(task.id, 1) for task in tasks)
            assert await storage.renew("dies", [attempt.key for attempt in taken], 60) == [a.key for a in taken]
            assert all(await storage.finish([requeue(attempt, budget=Budget.REDELIVERY) for attempt in taken]))
            again = await storage.claim("heir", 10, 60)
            assert [(attempt.task.id, attempt.number, attempt.losses) for attempt in again] == [
                (task.id, 2, 1) for task in tasks
            ]

    asyncio.run(run())


def claim_and_die(url: str) -> None:
    """A process that claims five tasks, and is killed."""
    command = [sys.executable, "-c", CLAIMANT, url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        claimed = process.stdout.readline()
        process.kill()
    assert claimed == b"5\n"


def test_two_processes_share_all_tasks(server: RedisServer, opened: Opened) -> None:
    function_id = make_function("work").id
    tasks = [Task(new_task_id(), function_id, b"x", "dill", time.time()) for _ in range(COUNT)]

    async def run() -> list[State]:
        async with opened(server.url, prefix="shared") as storage:
            await storage.enqueue(tasks)
            shares = await asyncio.gather(*(asyncio.to_thread(drain, server.url, name) for name in ("one", "two")))
            ended = [task_id for share in shares for task_id in share]
            assert sorted(ended) == sorted(task.id for task in tasks), "a task was claimed twice, or never"
            records = await storage.get_tasks(ended)
            return [record.state for record in records if record]

    assert asyncio.run(run()) == [State.COMPLETED] * COUNT


def drain(url: str, name: str) -> list[str]:
    """Be a dispatcher in a process of its own; the ids of the tasks that it ended."""
    command = [sys.executable, "-c", DISPATCHER, url, name]
    done = subprocess.run(command, capture_output=True, check=True, stdin=subprocess.DEVNULL, timeout=60)
    return done.stdout.decode().split()
