"""What a `push` dispatcher costs by the number of its workers: simulated ones, two slots each, over real sockets.

    uv run python benchmarks/simulated_workers.py [--workers 1 10 100 1000] [--tasks 20000] [--held 2000] [--json FILE]

Tasks are no-ops that end at once; gateway and pools are left out. All workers together hold as many attempts whatever
their number, so what differs is how many go into one message. What beats cost is measured while there is no task.
"""

import argparse
import asyncio
import json
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from mpcsfaas.interfaces.storage import Storage
from mpcsfaas.model import Function, Task, new_task_id
from mpcsfaas.testing.platform import PlatformProcess
from mpcsfaas.testing.simulated_workers import SLOTS, SimulatedWorkers
from mpcsfaas_storage_sqlite import SqliteOptions, SqliteStorage

FUNCTION = Function("f", "noop", b"body", "json", 0.0)


@dataclass(frozen=True)
class Row:
    """One number of workers. CPU is the dispatcher's, but for `workers_cpu_percent`."""

    workers: int
    registration_seconds: float
    quiet_cpu_percent: float
    """With beats and no tasks."""
    tasks_per_second: float
    microseconds_per_task: float
    """Without what beats cost in the same time."""
    resident_mib: float
    workers_cpu_percent: float
    """While there are tasks: near 100, the simulation is what was measured."""
    lost: int
    unknown: int


class Meter:
    """What a process uses."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._before = 0.0
        self.cpu()

    def cpu(self) -> float:
        """CPU seconds since it was asked last."""
        times = self._process.cpu_times()
        now, before = times.user + times.system, self._before
        self._before = now
        return now - before

    def resident(self) -> float:
        """MiB."""
        return self._process.memory_info().rss / 2**20


async def enqueue(storage: Storage, count: int) -> None:
    """So many tasks, in batches."""
    await storage.put_function(FUNCTION)
    for start in range(0, count, 1000):
        batch = range(start, min(start + 1000, count))
        await storage.enqueue([Task(new_task_id(), FUNCTION.id, b"[]", "json", time.time()) for _ in batch])


async def serve(storage: Storage, count: int) -> float:
    """Seconds from the first enqueue until so many more tasks have ended."""
    seen, ended = await storage.latest_completion(), 0
    started = time.perf_counter()
    await enqueue(storage, count)
    while ended < count:
        await asyncio.sleep(0.05)
        completions = await storage.completions(seen, 5000)
        ended += len(completions)
        seen = completions[-1].sequence if completions else seen
    return time.perf_counter() - started


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Storage]:
    storage = SqliteStorage(url, SqliteOptions())
    await storage.open()
    try:
        yield storage
    finally:
        await storage.close()


async def measure(count: int, tasks: int, held: int, seconds: float) -> Row:
    """One dispatcher with so many workers: their registration, a quiet time, then tasks."""
    with tempfile.TemporaryDirectory() as folder:
        listening = f"ipc://{folder}/push"
        running = PlatformProcess(Path(folder), "--plugin", "push", "--push-url", listening, command="dispatcher")
        with running, SimulatedWorkers(count, listening, max(SLOTS, held // count)) as workers:
            registration = workers.wait_until_registered()
            async with opened(running.storage) as storage:
                await serve(storage, tasks // 10)
                ours, theirs = Meter(running.pid), Meter(workers.pid)
                await asyncio.sleep(seconds)
                quiet = ours.cpu() / seconds
                theirs.cpu()
                duration = await serve(storage, tasks)
            return Row(
                workers=count,
                registration_seconds=registration,
                quiet_cpu_percent=100 * quiet,
                tasks_per_second=tasks / duration,
                microseconds_per_task=1e6 * (ours.cpu() - quiet * duration) / tasks,
                resident_mib=ours.resident(),
                workers_cpu_percent=100 * theirs.cpu() / duration,
                lost=running.log.count("was lost with"),
                unknown=workers.stop()["unknown"],
            )


def main() -> None:
    """Print a table, and write JSON if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 10, 100, 1000])
    parser.add_argument("--tasks", type=int, default=20_000)
    parser.add_argument("--held", type=int, default=2000, help="attempts that all workers hold together")
    parser.add_argument("--seconds", type=float, default=5.0, help="length of the quiet time")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rows = [
        asdict(asyncio.run(measure(count, options.tasks, options.held, options.seconds))) for count in options.workers
    ]
    for name in rows[0]:
        print(f"{name.replace('_', ' '):24}" + "".join(f"{row[name]:>12,.1f}" for row in rows))
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2))


if __name__ == "__main__":
    main()
