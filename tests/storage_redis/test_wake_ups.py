"""Messages are hints: a user that may neither send nor hear any gets everything done."""

import asyncio
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from mpcsfaas.model import Attempt, State, Task, TaskOptions, new_task_id
from mpcsfaas.testing.redis_server import RedisServer
from mpcsfaas.testing.storage_cases.world import complete, make_function
from mpcsfaas_storage_redis import RedisStorage

Opened = Callable[..., AbstractAsyncContextManager[RedisStorage]]

PATIENCE = 30.0
COUNT = 20


def new_task() -> Task:
    return Task(new_task_id(), make_function("work").id, b"arguments", "dill", time.time())


async def dispatch(storage: RedisStorage) -> None:
    """Run everything that comes, claiming only after waiting."""
    done = 0
    while done < COUNT:
        await storage.wait_for_work("dispatcher", PATIENCE)
        attempts = await storage.claim("dispatcher", 100, 60)
        done += sum(await storage.finish([complete(attempt) for attempt in attempts]))


async def follow(storage: RedisStorage) -> list[State]:
    """Hear of every end."""
    feed: list[State] = []
    after = 0
    while len(feed) < COUNT:
        for completion in await storage.wait_for_completions(after, PATIENCE):
            feed.append(completion.state)
            after = completion.sequence
    return feed


def test_with_every_message_lost_everything_completes(own_server: RedisServer, opened: Opened) -> None:
    own_server.command("ACL", "SETUSER", "deaf", "on", ">secret", "~{quiet}:*", "resetchannels", "+@all")
    url = own_server.url.replace("redis://", "redis://deaf:secret@")

    async def run() -> None:
        options = {"prefix": "quiet", "poll_interval": 0.02}
        async with opened(url, **options) as gateway, opened(url, **options) as other, asyncio.timeout(PATIENCE):
            dispatcher, follower = asyncio.create_task(dispatch(other)), asyncio.create_task(follow(gateway))
            for _ in range(COUNT):
                await gateway.enqueue([new_task()])
            await dispatcher
            assert await follower == [State.COMPLETED] * COUNT

    asyncio.run(run())


def test_the_channels_tell_the_ids(server: RedisServer, opened: Opened) -> None:
    async def run() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"SUBSCRIBE tasks results\r\n")
        async with opened(server.url) as storage, asyncio.timeout(PATIENCE):
            task = new_task()
            await storage.enqueue([task])
            attempts = await storage.claim("dispatcher", 1, 60)
            await storage.finish([complete(attempt) for attempt in attempts])
            for channel in (b"tasks", b"results"):
                heard = b""
                while not (channel in heard and task.id.encode() in heard):
                    heard += await reader.readline()
        writer.close()
        await writer.wait_closed()

    asyncio.run(run())


def test_the_servers_clock_ends_leases_and_delays(server: RedisServer, opened: Opened) -> None:
    """Without a clock of the test's: real time passes, in the server."""

    async def run() -> None:
        async with opened(server.url) as storage, asyncio.timeout(PATIENCE):
            function_id = make_function("work").id
            delayed = Task(new_task_id(), function_id, b"", "dill", 0.0, TaskOptions(delay=0.1))
            await storage.enqueue([delayed])
            assert await storage.claim("first", 1, 0.05) == []
            attempts: list[Attempt] = []
            while not attempts:
                await storage.wait_for_work("first", PATIENCE)
                attempts = await storage.claim("first", 1, 0.05)
            taken: list[Attempt] = []
            while not taken:
                taken = await storage.claim_lapsed("second", 1, 60)
            assert [attempt.key for attempt in taken] == [attempt.key for attempt in attempts]
            assert abs(attempts[0].claimed_at - time.time()) < PATIENCE
            assert await storage.renew("first", [attempts[0].key], 60) == [attempts[0].key]

    asyncio.run(run())
