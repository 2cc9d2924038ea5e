"""kill -9 of every part, one at a time."""

import os
import signal
from pathlib import Path

import pytest

from mpcsfaas.client.errors import WorkerLost
from mpcsfaas.model import FailureKind, TaskRecord
from mpcsfaas.testing.cluster import Cluster
from mpcsfaas.testing.experiment import HELD, QUICK, Experiment, load
from mpcsfaas.testing.platform import wait_until, wait_until_gone


def endings(record: TaskRecord) -> list[FailureKind | None]:
    return [attempt.failure.kind if attempt.failure else None for attempt in record.history]


def test_a_child(cluster: Cluster, experiment: Experiment) -> None:
    """Its task runs again, and nobody else notices."""
    experiment.hold(*HELD)
    experiment.submit(*QUICK)
    [child] = experiment.ledger.pids("ann")
    os.kill(child, signal.SIGKILL)
    victim, *_ = experiment.finish(untouched=[*HELD[1:], *QUICK])
    assert endings(victim) == [FailureKind.CRASHED, None]
    assert len(experiment.ledger.pids("ann")) == 2


def test_a_worker(cluster: Cluster, experiment: Experiment) -> None:
    """Its children die with it, its tasks run elsewhere, and the other worker's tasks just go on."""
    experiment.hold(*HELD)
    experiment.submit(*QUICK)
    victim, _ = cluster.workers
    children = victim.descendants()
    lost = experiment.running_at(victim)
    victim.crash()
    wait_until_gone(children, what="the children of a killed worker")
    wait_until(lambda: all(experiment.record(name).losses == 1 for name in lost), what="the loss being noticed")
    records = experiment.finish(untouched=set(HELD) - set(lost))
    assert [endings(record) for record in records[:4]] == [
        [FailureKind.WORKER_LOST, None] if name in lost else [None] for name in HELD
    ]
    assert len(lost) == 2


def test_a_dispatcher(cluster: Cluster, experiment: Experiment) -> None:
    """Its successor adopts what runs, instead of running it again."""
    experiment.hold(*HELD)
    [dispatcher] = cluster.dispatchers
    dispatcher.crash()
    experiment.submit(*QUICK)
    dispatcher.start()
    wait_until(lambda: len(cluster.registered()) == 2, 20, "both workers being registered again")
    records = experiment.finish(untouched=[*HELD, *QUICK])
    assert [record.attempt for record in records] == [1] * len(records)


def test_a_dispatcher_under_load(cluster: Cluster, experiment: Experiment) -> None:
    """What it had claimed and not handed out comes back when its lease has run out."""
    [dispatcher] = cluster.dispatchers
    with load(experiment):
        dispatcher.crash()
        dispatcher.start()
    experiment.finish()


def test_a_gateway_under_load(cluster: Cluster, experiment: Experiment) -> None:
    """Clients say again what it may have heard, and nothing is accepted twice."""
    experiment.hold(*HELD)
    with load(experiment):
        for _ in range(3):
            cluster.gateway.crash()
            cluster.gateway.start()
            accepted = len(experiment.accepted)
            wait_until(lambda: len(experiment.accepted) > accepted + 10, what="the load going on")  # noqa: B023
    experiment.finish(untouched=experiment.accepted)


@pytest.mark.parametrize("shared_cluster", ["push-redis", "pull-redis"], indirect=True)
def test_redis_under_load(cluster: Cluster, experiment: Experiment) -> None:
    """What it had answered is on the disk, and everybody finds it again."""
    assert cluster.redis
    experiment.hold(*HELD)
    with load(experiment):
        cluster.redis.kill()
        cluster.redis.start()
    experiment.finish(untouched=experiment.accepted)


def kill_the_worker() -> None:
    """From within a task: its parent is the fork server, whose parent is the agent."""
    status = Path(f"/proc/{os.getppid()}/status").read_text()
    agent = next(line.split()[1] for line in status.splitlines() if line.startswith("PPid:"))
    os.kill(int(agent), signal.SIGKILL)


def test_a_task_that_kills_every_worker_that_it_meets(cluster: Cluster, experiment: Experiment) -> None:
    """It ends when its redeliveries are used up, with the cause; what it took down with it runs elsewhere."""
    poison = experiment.client.with_options(max_redeliveries=1, group=None).submit(kill_the_worker)
    experiment.submit(*QUICK)
    for losses in (1, 2):
        wait_until(lambda: not all(worker.is_running for worker in cluster.workers), 30, "the death of a worker")
        [victim] = [worker for worker in cluster.workers if not worker.is_running]
        wait_until(lambda: len(experiment.client.task(poison).history) == losses, 30, "its loss")  # noqa: B023
        victim.crash()
        victim.start()
    with pytest.raises(WorkerLost, match="worker"):
        poison.result(30)
    assert endings(experiment.client.task(poison)) == [FailureKind.WORKER_LOST] * 2
    experiment.finish()
