"""How fast a storage is: `python benchmarks/storage.py [URL]`. Medians of several runs, one process, one event loop."""

import asyncio
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from mpcsfaas.interfaces import Storage
from mpcsfaas.interfaces.storage import StorageOptions
from mpcsfaas.model import AttemptRecord, Function, State, Task, Transition, function_id, new_task_id
from mpcsfaas_storage_memory import MemoryStorage
from mpcsfaas_storage_redis import RedisOptions, RedisStorage
from mpcsfaas_storage_sqlite import SqliteOptions, SqliteStorage

RUNS = 5
LEASE = 60.0
PAYLOAD = b"x" * 100
FUNCTION = Function(function_id("work", "dill", b"code"), "work", b"code", "dill", 0.0)


def make(url: str) -> Storage:
    """The storage that a URL names."""
    if url.startswith("memory:"):
        return MemoryStorage(url, StorageOptions())
    if url.startswith("redis:"):
        return RedisStorage(url, RedisOptions())
    return SqliteStorage(url, SqliteOptions())


def tasks(count: int) -> list[Task]:
    """New tasks with a small payload."""
    return [Task(new_task_id(), FUNCTION.id, PAYLOAD, "dill", time.time()) for _ in range(count)]


async def timed(work: Awaitable[object]) -> float:
    """Seconds that it takes."""
    started = time.perf_counter()
    await work
    return time.perf_counter() - started


async def enqueue(storage: Storage, batches: list[list[Task]]) -> None:
    """One batch after the other."""
    for batch in batches:
        await storage.enqueue(batch)


async def drain(storage: Storage, count: int, size: int) -> None:
    """Claim and finish, one batch after the other."""
    for _ in range(count // size):
        attempts = await storage.claim("dispatcher", size, LEASE)
        assert len(attempts) == size
        now = time.time()
        records = [AttemptRecord(attempt.number, "worker", attempt.claimed_at, now, now, now) for attempt in attempts]
        await storage.finish(
            [
                Transition(attempt.key, State.COMPLETED, record, PAYLOAD)
                for attempt, record in zip(attempts, records, strict=True)
            ]
        )


async def enqueue_rate(storage: Storage, size: int, count: int) -> float:
    """Tasks per second."""
    batches = [tasks(size) for _ in range(count // size)]
    return count / await timed(enqueue(storage, batches))


async def concurrent_enqueue_rate(storage: Storage, callers: int, count: int) -> float:
    """Tasks per second when many callers enqueue single tasks at the same time."""
    shares = [[[task] for task in tasks(count // callers)] for _ in range(callers)]
    return count / await timed(asyncio.gather(*(enqueue(storage, share) for share in shares)))


async def drain_rate(storage: Storage, size: int, count: int) -> float:
    """Tasks per second through claim and finish."""
    return count / await timed(drain(storage, count, size))


async def enqueue_latency(storage: Storage, count: int) -> float:
    """Median milliseconds of one task's acceptance."""
    return 1e3 * statistics.median([await timed(storage.enqueue([task])) for task in tasks(count)])


async def claim_latency(storage: Storage, count: int) -> float:
    """Median milliseconds to claim one task."""
    return 1e3 * statistics.median([await timed(storage.claim("dispatcher", 1, LEASE)) for _ in range(count)])


async def wake_up_latency(storage: Storage, other: Storage, count: int) -> float:
    """Median milliseconds from an enqueue in one instance to the return of a wait in another."""
    latencies = []
    for task in tasks(count):
        await other.wait_for_work("dispatcher", 0.05)
        waiter = asyncio.create_task(other.wait_for_work("dispatcher", 10))
        await asyncio.sleep(0.03)
        await storage.enqueue([task])
        latencies.append(await timed(waiter))
    return 1e3 * statistics.median(latencies)


async def report(name: str, unit: str, measure: Callable[[], Awaitable[float]], runs: int = RUNS) -> None:
    """Print the median."""
    values = [await measure() for _ in range(runs)]
    print(f"{name:52} {statistics.median(values):12,.2f} {unit}   ({min(values):,.2f} to {max(values):,.2f})")


@contextmanager
def busy_thread() -> Iterator[None]:
    """Another thread that holds the interpreter lock whenever it can, as a busy event loop does."""
    stop = threading.Event()

    def spin() -> None:
        while not stop.is_set():
            sum(range(1000))

    thread = threading.Thread(target=spin)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


async def measure(url: str) -> None:
    """Everything, in an order in which each finds the tasks it needs."""
    storage, other = make(url), make(url)
    await storage.open()
    await storage.put_function(FUNCTION)
    await report("enqueue, batches of 500", "tasks/s", lambda: enqueue_rate(storage, 500, 20_000))
    await report("claim + finish, batches of 64", "tasks/s", lambda: drain_rate(storage, 64, 19_200))
    await report(
        "enqueue, 64 callers with single tasks", "tasks/s", lambda: concurrent_enqueue_rate(storage, 64, 6_400)
    )
    await report("enqueue one", "ms", lambda: enqueue_latency(storage, 500))
    await report("claim one", "ms", lambda: claim_latency(storage, 500))
    with busy_thread():
        await report(
            "enqueue, batches of 500, beside a busy thread", "tasks/s", lambda: enqueue_rate(storage, 500, 5_000)
        )
        await report("claim + finish, 64, beside a busy thread", "tasks/s", lambda: drain_rate(storage, 64, 1_920))
    if not url.startswith("memory:"):
        await other.open()
        await report("wake-up of another instance", "ms", lambda: wake_up_latency(storage, other, 20), runs=1)
        await fill(storage, 1_000_000)
        await report("with 1 M queued: enqueue, batches of 500", "tasks/s", lambda: enqueue_rate(storage, 500, 20_000))
        await report("with 1 M queued: claim + finish, 64", "tasks/s", lambda: drain_rate(storage, 64, 19_200))
        await report("with 1 M queued: enqueue one", "ms", lambda: enqueue_latency(storage, 500))
        await report("with 1 M queued: claim one", "ms", lambda: claim_latency(storage, 500))
    await storage.close()
    await other.close()


async def fill(storage: Storage, count: int) -> None:
    """Queue so many more tasks."""
    for _ in range(count // 10_000):
        await storage.enqueue(tasks(10_000))


def main() -> None:
    """Measure the storage of the given URL, or `sqlite` in a temporary folder."""
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(measure(sys.argv[1] if len(sys.argv) > 1 else f"sqlite:///{folder}/storage.db"))


if __name__ == "__main__":
    main()
