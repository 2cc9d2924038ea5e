"""The embedded platform beside `ProcessPoolExecutor`, in one run: no-op throughput, one-at-a-time latency, memory.

    uv run python benchmarks/embedded.py [--tasks 10000] [--rounds 5] [--soak 100000] [--json FILE]

The systems take turns, and the medians are shown: the machine's drift then hits all of them alike.
"""

import argparse
import json
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor as StandardExecutor
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

import mpcsfaas
from mpcsfaas import Client, Executor
from mpcsfaas.testing.platform import PlatformProcess

WORKERS = 2


def noop(number: int) -> int:
    return number


def throughput(executor: StandardExecutor, tasks: int) -> float:
    """Tasks per second from the first submit to the last result."""
    started = time.perf_counter()
    futures = [executor.submit(noop, number) for number in range(tasks)]
    assert [future.result() for future in futures] == list(range(tasks))
    return tasks / (time.perf_counter() - started)


def latencies(call: Callable[[int], Any], count: int) -> list[float]:
    """Milliseconds of each of `count` calls, one at a time."""
    times = []
    for number in range(count):
        started = time.perf_counter()
        call(number)
        times.append((time.perf_counter() - started) * 1e3)
    return times


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


@contextmanager
def running_platform() -> Iterator[PlatformProcess]:
    with tempfile.TemporaryDirectory() as folder, PlatformProcess(Path(folder), "-w", str(WORKERS)) as running:
        yield running


def compare(url: str, tasks: int, rounds: int) -> dict[str, dict[str, float]]:
    """Interleaved rounds; the median of each system."""
    rates: dict[str, list[float]] = {"ProcessPoolExecutor.submit": [], "mpcsfaas Executor.submit": []}
    times: dict[str, list[float]] = {"ProcessPoolExecutor.submit": [], "mpcsfaas Client.run": []}
    with ProcessPoolExecutor(WORKERS) as pool, Executor(url) as ours, Client(url) as client:
        throughput(pool, 500), throughput(ours, 500)
        for _ in range(rounds):
            rates["ProcessPoolExecutor.submit"].append(throughput(pool, tasks))
            rates["mpcsfaas Executor.submit"].append(throughput(ours, tasks))
            times["ProcessPoolExecutor.submit"] += latencies(lambda n: pool.submit(noop, n).result(), 200)
            times["mpcsfaas Client.run"] += latencies(lambda n: client.run(noop, n), 200)
    return {
        "tasks per second": {name: statistics.median(values) for name, values in rates.items()},
        "p50 ms": {name: percentile(values, 0.5) for name, values in times.items()},
        "p99 ms": {name: percentile(values, 0.99) for name, values in times.items()},
    }


def soak(running: PlatformProcess, tasks: int) -> dict[str, float]:
    """Resident MiB of the process that is gateway and dispatcher, at every tenth of `tasks`."""
    process = psutil.Process(running.pid)
    memory = {"start": process.memory_info().rss / 2**20}
    with Executor(running.url) as executor:
        for tenth in range(10):
            throughput(executor, tasks // 10)
            memory[f"{(tenth + 1) * tasks // 10} tasks"] = process.memory_info().rss / 2**20
    return memory


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--soak", type=int, default=100_000)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    report: dict[str, Any] = {"python": platform.python_version(), "mpcsfaas": mpcsfaas.__version__, "workers": WORKERS}
    with running_platform() as running:
        report |= compare(running.url, arguments.tasks, arguments.rounds)
        report["resident MiB of gateway and dispatcher"] = soak(running, arguments.soak) if arguments.soak else {}
    text = json.dumps(report, indent=2)
    print(text)
    if arguments.json:
        arguments.json.write_text(text)


if __name__ == "__main__":
    main()
