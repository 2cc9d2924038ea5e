"""A soak: a million tasks through every part at once, and whether memory, descriptors and storage stay flat.

    uv run python -m benchmarks.soak [--tasks 1000000] [--platforms push-redis up-sqlite] [--out FOLDER]

Tasks go in batches of 2,000 through the SDK, every value is checked, and results are kept for few seconds, so that what
the storage holds should follow the rate, not the number of tasks. Every hundredth part of the way, memory and
descriptors of each part (with what is below it) are noted, and the keys and the memory of Redis or the file's size.
A figure is flat if its median in the last third is over that in the first by less than a fifth, or by next to nothing.
"""

import argparse
import itertools
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from benchmarks.measuring import Figures, machine
from benchmarks.systems.work import noop

from mpcsfaas import Client
from mpcsfaas.testing.deployment import Deployment
from mpcsfaas.testing.redis_server import RedisServer

BATCH = 2_000
TTL = 10.0
"""Seconds for which a result is kept; its record, as long again."""
SAMPLES = 100
WARM_UP_SECONDS = 3 * TTL
"""Before the first sample, in which the storage fills with what it keeps for a while."""
MOST_GROWTH = 1.2
NEXT_TO_NOTHING = {"MiB": 4.0, "descriptors": 4.0, "keys": 50.0}
REST_SECONDS = 60.0
"""After the last task, in which the storage is to become as empty as it was."""


@dataclass(frozen=True)
class Platform:
    """What runs."""

    url: str
    pids: Mapping[str, int]
    storage: Callable[[], Figures]
    """What the storage holds."""

    def sample(self) -> Figures:
        """Every figure, now."""
        figures: Figures = {}
        for name, pid in self.pids.items():
            figures |= _of_tree(name, psutil.Process(pid))
        return figures | _of_tree("client", psutil.Process(), alone=True) | self.storage()


def _of_tree(name: str, root: psutil.Process, alone: bool = False) -> Figures:
    members = [root] if alone else [root, *root.children(recursive=True)]
    return {
        f"{name} MiB": sum(member.memory_info().rss for member in members) / 2**20,
        f"{name} descriptors": sum(member.num_fds() for member in members),
    }


@contextmanager
def push_redis(folder: Path) -> Iterator[Platform]:
    """A gateway, a dispatcher, a worker with two slots, and Redis, which logs every second."""
    with RedisServer(folder, aof="everysec") as redis, Deployment(folder, "push", redis.url) as deployment:
        parts = {"gateway": deployment.gateway(), "dispatcher": deployment.dispatcher(), "worker": deployment.worker(2)}
        deployment.start()
        yield Platform(deployment.url, {name: part.pid for name, part in parts.items()}, lambda: _held_by(redis))


@contextmanager
def up_sqlite(folder: Path) -> Iterator[Platform]:
    """What `mpcsfaas up` starts."""
    with Deployment(folder, "local") as deployment:
        part = deployment.part("up", "-w", "2", "--storage", deployment.storage)
        deployment.start()
        yield Platform(part.url, {"platform": part.pid}, lambda: _files(folder))


PLATFORMS = {"push-redis": push_redis, "up-sqlite": up_sqlite}


def _held_by(redis: RedisServer) -> Figures:
    keys = int(redis.command("DBSIZE").strip().removeprefix(b":"))
    lines = redis.command("INFO", "memory").split(b"\r\n")
    used = next(int(line.partition(b":")[2]) for line in lines if line.startswith(b"used_memory:"))
    return {"redis keys": keys, "redis MiB": used / 2**20}


def _files(folder: Path) -> Figures:
    return {"file MiB": sum(path.stat().st_size for path in folder.glob("tasks.db*")) / 2**20}


def soak(running: Platform, tasks: int) -> list[Figures]:
    """Do so many tasks after the warm-up; samples on the way. What is left in the end is cancelled."""
    every = max(BATCH, tasks // SAMPLES)
    samples: list[Figures] = []
    warm_at = time.monotonic() + WARM_UP_SECONDS
    done = 0
    with Client(running.url, timeout=300).with_options(ttl=TTL) as client:
        for number, value in enumerate(client.map(noop, itertools.count(), progress=False, batch_size=BATCH)):
            assert value == number, f"task {number} has the value {value}"
            done += bool(done) or time.monotonic() > warm_at
            if done and done % every == 0:
                samples.append({"seconds": time.monotonic() - warm_at, "tasks": done} | running.sample())
                _tell(samples[-1])
            if done == tasks:
                break
    return samples


def at_rest(running: Platform, wanted: Figures) -> Figures:
    """What the storage holds once it has forgotten, or when it has had time enough for that."""
    end = time.monotonic() + REST_SECONDS
    while (held := running.storage()).get("redis keys", 0) > wanted.get("redis keys", 0) and time.monotonic() < end:
        time.sleep(0.5)
    return held


def judge(samples: Sequence[Figures]) -> dict[str, tuple[float, float, bool]]:
    """Of each figure, the medians of the first and the last third, and whether it is flat."""
    third = max(1, len(samples) // 3)
    found = {}
    for name in samples[0].keys() - {"tasks", "seconds"}:
        first, last = (statistics.median(one[name] for one in part) for part in (samples[:third], samples[-third:]))
        slack = NEXT_TO_NOTHING[name.rpartition(" ")[2]]
        found[name] = (first, last, last <= max(first * MOST_GROWTH, first + slack))
    return dict(sorted(found.items()))


def table(verdicts: Mapping[str, tuple[float, float, bool]]) -> str:
    """Markdown."""
    lines = ["| figure | first third | last third | |", "|---|---|---|---|"]
    lines += [
        f"| {name} | {a:,.1f} | {b:,.1f} | {'flat' if flat else 'GROWS'} |" for name, (a, b, flat) in verdicts.items()
    ]
    return "\n".join(lines) + "\n"


def _tell(sample: Figures) -> None:
    print("  ".join(f"{name} {value:,.0f}" for name, value in sample.items()), flush=True)


def run(name: str, tasks: int) -> dict[str, object]:
    """One platform."""
    with tempfile.TemporaryDirectory() as folder, PLATFORMS[name](Path(folder)) as running:
        empty = running.storage()
        samples = soak(running, tasks)
        held = at_rest(running, {"redis keys": empty.get("redis keys", 0) + NEXT_TO_NOTHING["keys"]})
    verdicts, seconds = judge(samples), samples[-1]["seconds"]
    print(f"\n{name}: {tasks:,} tasks in {seconds:,.0f} s, {tasks / seconds:,.0f} a second; afterwards {held}\n")
    print(table(verdicts), flush=True)
    return {
        "tasks": tasks,
        "seconds": seconds,
        "empty": empty,
        "at rest": held,
        "verdicts": verdicts,
        "samples": samples,
    }


def main() -> None:
    """Print a table for each platform, keep all figures as JSON, and exit with 1 if something grows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=1_000_000)
    parser.add_argument("--platforms", nargs="*", choices=PLATFORMS, default=list(PLATFORMS))
    parser.add_argument("--out", type=Path, default=Path("benchmark-results"))
    arguments = parser.parse_args()
    found = {name: run(name, arguments.tasks) for name in arguments.platforms}
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "soak.json").write_text(json.dumps({"machine": machine(), **found}, indent=2) + "\n")
    sys.exit(any(not flat for one in found.values() for _, _, flat in one["verdicts"].values()))  # type: ignore[attr-defined]


if __name__ == "__main__":
    main()
