"""Weak scaling: as many tasks for each worker process, with ever more worker processes.

    uv run --group bench python -m benchmarks.weak_scaling [--rounds 5] [--out FOLDER]

Each of 1 to 8 worker processes gets 5 tasks that take 0.1 s without using a core; with perfect scaling that takes 0.5 s
whatever their number. For pull and push each worker process has an agent of its own, as on as many machines.
"""

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

from benchmarks.measuring import machine, timed
from benchmarks.presenting import draw_lines
from benchmarks.systems.work import sleep

from mpcsfaas import Client
from mpcsfaas.testing.deployment import Deployment
from mpcsfaas.testing.redis_server import RedisServer

TASKS = 5
SECONDS = 0.1
MODES = ("local", "pull", "push")
WORKERS = (1, 2, 4, 6, 8)


def measure(mode: str, workers: int, rounds: int) -> float:
    """The median of the seconds that `TASKS` tasks for each of `workers` take."""
    with tempfile.TemporaryDirectory() as name, RedisServer(Path(name)) as redis:
        deployment = Deployment(Path(name), mode, redis.url)
        deployment.gateway()
        if mode == "local":
            deployment.dispatcher("-w", str(workers))
        else:
            deployment.dispatcher()
            for _ in range(workers):
                deployment.worker(1)
        with deployment, Client(deployment.start().url) as client:
            _wait_for_slots(client, workers)
            _run(client, workers)
            return statistics.median(timed(lambda: _run(client, workers)) for _ in range(rounds))


def _run(client: Client, workers: int) -> None:
    list(client.map(sleep, [SECONDS] * TASKS * workers, progress=False))


def _wait_for_slots(client: Client, number: int) -> None:
    while sum(worker.slots for dispatcher in client.workers() for worker in dispatcher.workers) < number:
        time.sleep(0.05)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("benchmark-results"))
    arguments = parser.parse_args()
    figures: dict[str, dict[int, float]] = {mode: {} for mode in MODES}
    for workers in WORKERS:
        for mode in MODES:
            figures[mode][workers] = measure(mode, workers, arguments.rounds)
            print(f"{mode}, {workers} workers: {figures[mode][workers]:.3f} s")
    arguments.out.mkdir(parents=True, exist_ok=True)
    report = {"machine": machine(), "tasks": TASKS, "seconds of a task": SECONDS, "seconds": figures}
    (arguments.out / "weak_scaling.json").write_text(json.dumps(report, indent=2) + "\n")
    label = f"seconds for {TASKS} tasks of {SECONDS} s for each worker process"
    draw_lines(figures, "worker processes", label, arguments.out / "weak_scaling.svg")


if __name__ == "__main__":
    main()
