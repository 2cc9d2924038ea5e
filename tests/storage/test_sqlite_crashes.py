"""`sqlite` under kill -9, between two processes, and when the disk gives out."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from mpcsfaas.interfaces.storage import Enqueued, EnqueueStatus
from mpcsfaas.model import Function, State, Task, new_task_id
from mpcsfaas_storage_sqlite import SqliteOptions, SqliteStorage

FUNCTION = Function("work", "work", b"code", "dill", 0.0)

PRELUDE = """
import asyncio, sys
from mpcsfaas.errors import StorageUnavailable
from mpcsfaas.model import AttemptRecord, Function, State, Task, Transition, new_task_id
from mpcsfaas_storage_sqlite import SqliteOptions, SqliteStorage

function = Function("work", "work", b"code", "dill", 0.0)

def say(*words):
    print(*words, flush=True)

def task(payload=b"x" * 200):
    return Task(new_task_id(), function.id, payload, "dill", 0.0)

def completed(attempt):
    return Transition(attempt.key, State.COMPLETED, AttemptRecord(attempt.number), b"value")

async def opened():
    storage = SqliteStorage(sys.argv[1], SqliteOptions())
    await storage.open()
    await storage.put_function(function)
    return storage
"""

WRITER = """
async def main():
    storage = await opened()
    async def produce():
        while True:
            tasks = [task() for _ in range(7)]
            await storage.enqueue(tasks)
            say("accepted", *(task.id for task in tasks))
    async def consume():
        while True:
            attempts = await storage.claim("dispatcher", 5, 60)
            await storage.finish([completed(attempt) for attempt in attempts])
            say("completed", *(attempt.task.id for attempt in attempts))
    await asyncio.gather(produce(), produce(), consume())
asyncio.run(main())
"""

CLAIMER = """
async def main():
    storage = await opened()
    say("ready")
    sys.stdin.readline()
    while attempts := await storage.claim(sys.argv[2], 3, 60):
        say(*(attempt.task.id for attempt in attempts))
    await storage.close()
asyncio.run(main())
"""

FILLER = """
import resource

async def main():
    storage = await opened()
    resource.setrlimit(resource.RLIMIT_FSIZE, (8_000_000, resource.RLIM_INFINITY))
    accepted, refused = [], None
    while refused is None:
        batch = [task(b"x" * 50_000) for _ in range(10)]
        try:
            await storage.enqueue(batch)
        except StorageUnavailable as error:
            refused = str(error)
        else:
            accepted += batch
    say(refused)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    known = await storage.get_tasks([one.id for one in batch])
    again = await storage.enqueue(batch)
    claimed = await storage.claim("dispatcher", 1000, 60)
    say(known.count(None), [one.status for one in again].count("accepted"), len(claimed) - len(accepted))
    await storage.close()
asyncio.run(main())
"""


def run(scenario: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(scenario())


def start(program: str, *arguments: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", PRELUDE + program, *arguments]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def url_in(folder: Path) -> str:
    return f"sqlite:///{folder}/storage.db"


def lines_until_killed(url: str, count: int) -> list[list[str]]:
    """What a writer said before it was killed, some time after it had said `count` lines."""
    with start(WRITER, url) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(count)]
        process.send_signal(signal.SIGKILL)
        lines += process.stdout.readlines()
        assert process.wait() == -signal.SIGKILL
    return [line.split() for line in lines if line.endswith("\n")]


def test_kill_9_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    url = url_in(tmp_path)
    accepted: set[str] = set()
    completed: set[str] = set()
    for count in range(3, 11):
        for word, *ids in lines_until_killed(url, count):
            (accepted if word == "accepted" else completed).update(ids)

    async def check() -> None:
        storage = SqliteStorage(url, SqliteOptions())
        await storage.open()
        records = {record.id: record for record in await storage.get_tasks(sorted(accepted | completed)) if record}
        assert records.keys() == accepted | completed
        assert {records[task_id].state for task_id in completed} == {State.COMPLETED}
        statistics = await storage.statistics()
        feed = await storage.completions(0, limit=1_000_000)
        assert len({item.task_id for item in feed}) == len(feed) == statistics.completed
        assert completed <= {item.task_id for item in feed}
        left = await storage.claim("dispatcher", 1_000_000, 60)
        assert len(left) == statistics.queued
        await storage.close()

    assert len(accepted) > 100
    assert len(completed) > 10
    run(check)


def test_two_processes_never_claim_the_same_attempt(tmp_path: Path) -> None:
    url = url_in(tmp_path)
    tasks = [Task(new_task_id(), FUNCTION.id, b"", "dill", 0.0) for _ in range(2000)]

    async def fill() -> None:
        storage = SqliteStorage(url, SqliteOptions())
        await storage.open()
        await storage.put_function(FUNCTION)
        assert await storage.enqueue(tasks) == [Enqueued(EnqueueStatus.ACCEPTED, task.id) for task in tasks]
        await storage.close()

    run(fill)
    with start(CLAIMER, url, "red") as red, start(CLAIMER, url, "blue") as blue:
        claimers = [red, blue]
        assert [process.stdout and process.stdout.readline() for process in claimers] == ["ready\n", "ready\n"]
        for process in claimers:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        shares = [process.communicate()[0].split() for process in claimers]
    assert all(shares), "one process got nothing, so they did not compete"
    assert sorted(shares[0] + shares[1]) == sorted(task.id for task in tasks)


def test_a_file_that_cannot_grow_refuses_whole_batches_and_recovers(tmp_path: Path) -> None:
    with start(FILLER, url_in(tmp_path)) as process:
        output, _ = process.communicate()
    refused, counts = output.splitlines()
    assert "storage.db" in refused
    assert "disk" in refused
    assert counts == "10 10 10"


def test_many_processes_may_open_a_new_file_at_once(tmp_path: Path) -> None:
    processes = [start(CLAIMER, url_in(tmp_path), str(number)) for number in range(4)]
    outputs = [process.communicate("go\n")[0] for process in processes]
    assert outputs == ["ready\n"] * 4
    assert [process.returncode for process in processes] == [0] * 4
