"""What a task costs as work grows: by how many are queued, and by how many gateways have clients. Push over Redis.

    uv run python -m benchmarks.growth [--depths 1000 100000 1000000] [--gateways 1 2 4] [--rounds 3] [--out FOLDER]

A depth is kept: whatever has ended is replaced, so that every depth does the same work, and only the queue differs.
Each gateway has a client of its own, which maps no-ops. Two worker processes; tasks are no-ops.
"""

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import cloudpickle
import psutil
from benchmarks.measuring import Figures, machine, timed, tree_seconds
from benchmarks.systems.work import noop

from mpcsfaas import Client
from mpcsfaas.model import Task, new_task_id
from mpcsfaas.testing.deployment import Deployment
from mpcsfaas.testing.platform import PlatformProcess
from mpcsfaas.testing.redis_server import RedisServer
from mpcsfaas_storage_redis import RedisOptions, RedisStorage

SERIALIZER = "cloudpickle"
PAYLOAD = cloudpickle.dumps(((1,), {}))
SLOTS = 2
BATCH = 500
WARM_UP = 3_000
TASKS = 20_000
"""Measured at each depth, and by each client."""


@dataclass(frozen=True)
class Platform:
    """What runs, and its processes."""

    redis: RedisServer
    gateways: Sequence[PlatformProcess]
    dispatcher: PlatformProcess
    worker: PlatformProcess

    def processes(self) -> dict[str, int]:
        """One gateway stands for all."""
        return {"gateway": self.gateways[0].pid, "dispatcher": self.dispatcher.pid, "redis": self.redis.pid}


@contextmanager
def platform(gateways: int) -> Iterator[Platform]:
    """Everything but the worker is started."""
    with tempfile.TemporaryDirectory() as name, RedisServer(Path(name)) as redis:
        deployment = Deployment(Path(name), "push", redis.url)
        doors = [deployment.gateway() for _ in range(gateways)]
        dispatcher = deployment.dispatcher()
        with deployment:
            deployment.start()
            yield Platform(redis, doors, dispatcher, deployment.worker(SLOTS))


def measure(running: Platform, tasks: int, act: Callable[[], object]) -> Figures:
    """Rate of `act`, which ends so many tasks, with CPU microseconds a task and MiB of each process."""
    before = {name: tree_seconds(pid) for name, pid in running.processes().items()}
    seconds = timed(act)
    figures = {"tasks/s": tasks / seconds}
    for name, pid in running.processes().items():
        figures[f"CPU µs {name}"] = (tree_seconds(pid) - before[name]) / tasks * 1e6
        figures[f"MiB {name}"] = psutil.Process(pid).memory_info().rss / 2**20
    return figures


def at_depth(depth: int) -> Figures:
    """With so many tasks queued all the time."""
    with platform(gateways=1) as running, asyncio.Runner() as runner, Client(running.gateways[0].url) as client:
        queue = Queue(running.redis.url, client.register(noop))
        runner.run(queue.add(depth))
        running.worker.start()
        runner.run(queue.keep(WARM_UP))
        return measure(running, TASKS, lambda: runner.run(queue.keep(TASKS)))


class Queue:
    """Tasks that are put straight into storage."""

    def __init__(self, url: str, function_id: str) -> None:
        self._url = url
        self._function_id = function_id

    async def add(self, count: int) -> None:
        """Enqueue so many no-ops."""
        async with self._opened() as storage:
            for start in range(0, count, BATCH):
                await self._enqueue(storage, min(BATCH, count - start))

    async def keep(self, count: int) -> None:
        """Until so many have ended, replace what ends."""
        async with self._opened() as storage:
            seen = await storage.latest_completion()
            end = seen + count
            while seen < end:
                ended = await storage.latest_completion() - seen
                seen += ended
                await self._enqueue(storage, ended) if ended else await asyncio.sleep(0.01)

    @asynccontextmanager
    async def _opened(self) -> AsyncIterator[RedisStorage]:
        storage = RedisStorage(self._url, RedisOptions())
        await storage.open()
        try:
            yield storage
        finally:
            await storage.close()

    async def _enqueue(self, storage: RedisStorage, count: int) -> None:
        now = time.time()
        await storage.enqueue([Task(new_task_id(), self._function_id, PAYLOAD, SERIALIZER, now) for _ in range(count)])


def through_gateways(number: int) -> Figures:
    """With so many gateways, each with a client that maps no-ops."""
    with platform(number) as running, ProcessPoolExecutor(number, get_context("spawn")) as clients:
        running.worker.start()
        urls = [gateway.url for gateway in running.gateways]

        def work(count: int) -> None:
            list(clients.map(map_noops, urls, [count] * number))

        work(WARM_UP)
        return measure(running, TASKS * number, lambda: work(TASKS))


def map_noops(url: str, count: int) -> None:
    """What one client does."""
    with Client(url) as client:
        assert list(client.map(noop, range(count), progress=False)) == list(range(count))


def medians(rounds: Sequence[Figures]) -> Figures:
    """Of each figure."""
    return {name: statistics.median(figures[name] for figures in rounds) for name in rounds[0]}


def run(experiment: Callable[[int], Figures], sizes: Sequence[int], rounds: int) -> dict[int, Figures]:
    """Medians by size; the sizes take turns."""
    found: dict[int, list[Figures]] = {size: [] for size in sizes}
    for _ in range(rounds):
        for size in sizes:
            found[size].append(experiment(size))
            print(f"{experiment.__name__.replace('_', ' ')} {size:,}: {found[size][-1]['tasks/s']:,.0f} tasks/s")
    return {size: medians(figures) for size, figures in found.items()}


def table(title: str, figures: Mapping[int, Figures]) -> str:
    """Markdown, one row for each size."""
    names = list(next(iter(figures.values())))
    lines = [f"| {title} | {' | '.join(names)} |", f"|---|{'---|' * len(names)}"]
    for size, row in figures.items():
        lines.append(f"| {size:,} | " + " | ".join(f"{row[name]:,.0f}" for name in names) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--depths", type=int, nargs="*", default=[1_000, 100_000, 1_000_000])
    parser.add_argument("--gateways", type=int, nargs="*", default=[1, 2, 4])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("benchmark-results"))
    arguments = parser.parse_args()
    depths = run(at_depth, arguments.depths, arguments.rounds)
    gateways = run(through_gateways, arguments.gateways, arguments.rounds)
    arguments.out.mkdir(parents=True, exist_ok=True)
    report = {"machine": machine(), "tasks": TASKS, "queued": depths, "gateways": gateways}
    (arguments.out / "growth.json").write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n")
    for title, figures in (("queued", depths), ("gateways", gateways)):
        if figures:
            print(table(title, figures))


if __name__ == "__main__":
    main()
