"""What readers of a stream who read slowly, or not at all, cost others: p99 of calls with them, over p99 without.

    uv run python -m benchmarks.slow_readers [--readers 500] [--calls 1000] [--rounds 5] [--out FOLDER]

One gateway over Redis, one push worker. Every reader has more megabytes waiting for it than it will take; and tasks
go on ending in the group that all follow. Calls with and without readers take turns in one run, for machines drift.
"""

import argparse
import json
import statistics
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from benchmarks.measuring import Figures, machine, percentile, timed
from benchmarks.systems.work import noop

from mpcsfaas import Client
from mpcsfaas.sockets import allow_open_files
from mpcsfaas.testing.deployment import Deployment
from mpcsfaas.testing.platform import PlatformProcess
from mpcsfaas.testing.redis_server import RedisServer
from mpcsfaas.testing.slow_readers import SlowReaders

GROUP = "followed"
RESULTS, RESULT_BYTES = 300, 20_000
WARM_UP = 300
PAUSE = 0.05
"""Seconds between one further result for the readers and the next."""


def make_result(length: int) -> bytes:
    return bytes(length)


@contextmanager
def platform() -> Iterator[PlatformProcess]:
    """The gateway of a platform in which the stream is full."""
    with tempfile.TemporaryDirectory() as name, RedisServer(Path(name)) as redis:
        deployment = Deployment(Path(name), "push", redis.url)
        gateway = deployment.gateway()
        deployment.dispatcher()
        deployment.worker(2)
        with deployment, Client(deployment.start().url) as client:
            list(client.with_options(group=GROUP).map(make_result, [RESULT_BYTES] * RESULTS, progress=False))
            yield gateway


@contextmanager
def endings(url: str) -> Iterator[None]:
    """Tasks go on ending in the group."""
    ended = threading.Event()

    def work() -> None:
        with Client(url) as client:
            followed = client.with_options(group=GROUP)
            while not ended.wait(PAUSE):
                followed.submit(make_result, RESULT_BYTES)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def call(client: Client, calls: int) -> Figures:
    """Milliseconds of calls, one after the other."""
    times = [timed(lambda: client.run(noop, 1)) * 1e3 for _ in range(calls)]
    return {"p50": statistics.median(times), "p99": percentile(times, 0.99)}


def measure(gateway: PlatformProcess, client: Client, readers: int, calls: int) -> Figures:
    """One round: without, with, and the ratio."""
    process = psutil.Process(gateway.pid)
    without, before = call(client, calls), process.memory_info().rss
    with SlowReaders(gateway.url, f"/v1/groups/{GROUP}/stream", readers):
        beside = call(client, calls)
        grown = process.memory_info().rss - before
    return {
        "p50 ms": without["p50"], "p99 ms": without["p99"],
        "p50 ms with readers": beside["p50"], "p99 ms with readers": beside["p99"],
        "ratio of p99": beside["p99"] / without["p99"], "KiB grown a reader": grown / readers / 1024,
    }  # fmt: skip


def main() -> None:
    """Print every round, and the medians; keep them as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--readers", type=int, default=500)
    parser.add_argument("--calls", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("benchmark-results"))
    arguments = parser.parse_args()
    allow_open_files()
    rounds = []
    with platform() as gateway, Client(gateway.url) as client, endings(gateway.url):
        call(client, WARM_UP)
        for _ in range(arguments.rounds):
            rounds.append(measure(gateway, client, arguments.readers, arguments.calls))
            print("  ".join(f"{name} {value:.2f}" for name, value in rounds[-1].items()), flush=True)
    medians = {name: statistics.median(figures[name] for figures in rounds) for name in rounds[0]}
    print(f"p99 with {arguments.readers} slow readers is {medians['ratio of p99']:.2f} times that without")
    arguments.out.mkdir(parents=True, exist_ok=True)
    report = {"machine": machine(), "readers": arguments.readers, "medians": medians, "rounds": rounds}
    (arguments.out / "slow_readers.json").write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
