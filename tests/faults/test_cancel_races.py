"""Tasks that are cancelled at random moments around their run: one end each, the first, and nobody is left running.

Some forty on each cluster; with `--soak`, a thousand in every round.
"""

import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mpcsfaas.client import Client
from mpcsfaas.model import State
from mpcsfaas.testing.cluster import Cluster
from mpcsfaas.testing.experiment import QUICK, Experiment
from mpcsfaas.testing.platform import wait_until, wait_until_gone

BATCH = 40
BATCHES_OF_A_SOAK = 9
"""On each of three clusters, so 1,080 tasks."""
LONGEST_WAIT = 0.5
"""Seconds in which a batch runs, more or less."""
CANCELLERS = 8


def family_task(path: str, marker: str) -> Callable[[int], int]:
    """A function that starts a process in a session of its own, and ends it after a while; every second one never."""

    def work(number: int) -> int:
        import os
        import subprocess
        import time

        def note(event: str) -> None:
            descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
            os.write(descriptor, f"{number} {os.getpid()} {event}\n".encode())
            os.close(descriptor)

        note("began")
        with subprocess.Popen(["sleep", marker], start_new_session=True) as grandchild:
            time.sleep(3600 if number % 2 else 0.02)
            grandchild.kill()
        note("ended")
        return number

    return work


def numbers_by_event(path: Path) -> Iterator[tuple[int, int, str]]:
    """Of each line: the task, its process, what happened."""
    for line in path.read_text().splitlines() if path.exists() else []:
        number, pid, event = line.split()
        yield int(number), int(pid), event


def running_with(marker: str) -> list[str]:
    """Every process on this machine with this argument."""
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found += [place.parent.name] if marker.encode() in place.read_bytes() else []
        except OSError:
            continue
    return found


def cancel_each(client: Client, ids: list[str], chance: random.Random) -> list[State]:
    """Each after a wait of its own."""

    def cancel(order: tuple[str, float]) -> State:
        time.sleep(order[1])
        return client.cancel(order[0])

    waits = sorted(chance.uniform(0, LONGEST_WAIT / len(ids) * CANCELLERS) for _ in ids)
    with ThreadPoolExecutor(CANCELLERS) as threads:
        return list(threads.map(cancel, zip(ids, waits, strict=True)))


def test_cancelled_around_their_run(
    cluster: Cluster, experiment: Experiment, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    batches = BATCHES_OF_A_SOAK if pytestconfig.getoption("--soak") > 1 else 1
    chance = random.Random()
    marker = f"3600.{chance.randrange(10**12)}"
    path = tmp_path / "families"
    task, client = family_task(str(path), marker), cluster.client
    states: list[State] = []
    ids: list[str] = []
    for first in range(0, batches * BATCH, BATCH):
        handles = client.submit_many(task, [(number,) for number in range(first, first + BATCH)])
        batch = [handle.id for handle in handles]
        states += cancel_each(client, batch, chance)
        ids += batch
    assert set(states) <= {State.COMPLETED, State.CANCELLED}
    wait_until(lambda: not running_with(marker), what="the end of every grandchild")
    seen = list(numbers_by_event(path))
    ended = {number for number, _, event in seen if event == "ended"}
    killed = {pid for number, pid, _ in seen if states[number] is State.CANCELLED and number not in ended}
    wait_until_gone(killed, what="the children of cancelled tasks")
    experiment.submit(*QUICK)
    experiment.finish(untouched=QUICK)
    assert [client.status(task_id) for task_id in ids] == states, "an end changed"
    assert all(states[number] is State.CANCELLED or number in ended for number in range(len(ids)))
    began = [number for number, _, event in seen if event == "began"]
    assert len(began) == len(set(began)), "a task ran twice"
