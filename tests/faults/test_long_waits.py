"""The experiments that take half a minute, with the default limits; all of them at the same time."""

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
import requests

from mpcsfaas.testing.cluster import Cluster
from mpcsfaas.testing.experiment import HELD, QUICK, Experiment

ONE_START_AT_A_TIME = threading.Lock()
STOPPED_SECONDS = 20.0
GONE_SECONDS = 30.0


def dispatcher_is_stopped(cluster: Cluster, experiment: Experiment) -> None:
    """It gives up none of its workers when it goes on, and runs nothing again, although its leases have lapsed."""
    experiment.hold(*HELD)
    experiment.submit(*QUICK)
    [dispatcher] = cluster.dispatchers
    dispatcher.suspend()
    time.sleep(STOPPED_SECONDS / 2)
    experiment.ledger.release()
    time.sleep(STOPPED_SECONDS / 2)
    dispatcher.resume()
    records = experiment.finish(untouched=[*HELD, *QUICK])
    assert [record.attempt for record in records] == [1] * len(records)
    assert "was lost" not in dispatcher.log


def redis_is_gone_while_a_task_holds_the_interpreter(cluster: Cluster, experiment: Experiment) -> None:
    """Nothing is accepted meanwhile, workers keep what they have, and the one with the hog is not taken for dead."""
    assert cluster.redis
    gap = experiment.ledger.path.with_name("gap")
    experiment.hold("hog", wait=hogging(gap))
    experiment.hold("ann", "bob", "cat")
    function_id = experiment.client.register(experiment.ledger.held_task())
    gone_at = time.monotonic()
    cluster.redis.kill()
    experiment.ledger.release()
    refused = 0
    while time.monotonic() < gone_at + GONE_SECONDS:
        refused += refuses(cluster, experiment, function_id)
    cluster.redis.start()
    experiment.submit(*QUICK)
    experiment.finish(untouched=["hog", "ann", "bob", "cat", *QUICK])
    assert refused > 3
    assert float(gap.read_text()) > GONE_SECONDS * 0.99, "the hog let the interpreter go"
    assert "was lost" not in cluster.dispatchers[0].log


def hogging(gap: Path) -> Callable[[], None]:
    """Runs a loop in C that holds the interpreter's lock, and writes down how long another thread had to wait for it.

    At the lowest priority, since the other experiments need the processor as well.
    """
    path, seconds = str(gap), GONE_SECONDS

    def hog() -> None:
        import itertools
        import os
        import threading
        import time

        times = [time.monotonic()]
        ended = threading.Event()

        def tick() -> None:
            while not ended.wait(0.01):
                times.append(time.monotonic())

        os.nice(19)
        thread = threading.Thread(target=tick)
        thread.start()
        any(map((time.monotonic() + seconds).__lt__, iter(time.monotonic, None)))
        times.append(time.monotonic())
        ended.set()
        thread.join()
        with open(path, "w") as file:
            file.write(str(max(later - earlier for earlier, later in itertools.pairwise(times))))

    return hog


def refuses(cluster: Cluster, experiment: Experiment, function_id: str) -> bool:
    """That the gateway refuses a task, and says when to come back; its group would betray that it has taken it."""
    task = {
        "task_id": str(uuid.uuid4()),
        "function_id": function_id,
        "args": ["never", False],
        "group": experiment.group,
    }
    posted = requests.post(f"{cluster.gateway.url}/v1/tasks", json=task, timeout=20)
    asked = requests.get(f"{cluster.gateway.url}/v1/tasks/{experiment.accepted['hog']}", timeout=20)
    answers = [(answer.status_code, int(answer.headers["Retry-After"]) > 0) for answer in (posted, asked)]
    assert answers == [(503, True), (503, True)]
    time.sleep(0.5)
    return True


EXPERIMENTS = [dispatcher_is_stopped, redis_is_gone_while_a_task_holds_the_interpreter]
MODES = ["push", "pull"]
Run = Callable[[Cluster, Experiment], None]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[tuple[str, str], Future[None]]]:
    """Every experiment, on a cluster of its own."""
    with ThreadPoolExecutor() as threads:
        yield {
            (run.__name__, mode): threads.submit(conduct, run, mode, tmp_path_factory.mktemp(mode))
            for run in EXPERIMENTS
            for mode in MODES
        }


def conduct(run: Run, mode: str, folder: Path) -> None:
    with ExitStack() as ends:
        with ONE_START_AT_A_TIME:
            cluster = ends.enter_context(Cluster(folder, mode))
        run(cluster, Experiment(cluster.client, folder))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_wait(experiment: Run, mode: str, running: dict[tuple[str, str], "Future[None]"]) -> None:
    running[experiment.__name__, mode].result()
