"""Two dispatchers on one Redis, each with a worker; one is killed, and the other has its tasks within one lease."""

from pathlib import Path

import pytest

from mpcsfaas.testing.cluster import Cluster
from mpcsfaas.testing.experiment import HELD, QUICK, Experiment
from mpcsfaas.testing.platform import wait_until

LEASE = 3.0
PATIENCE = 5.0
"""Seconds in which a lapsed lease is found, on a busy machine."""


@pytest.mark.parametrize("mode", ["push", "pull"])
def test_a_dispatchers_tasks_are_taken_over(mode: str, tmp_path: Path) -> None:
    with Cluster(tmp_path, mode, dispatchers=2, settings=["--lease", str(LEASE)]) as cluster:
        experiment = Experiment(cluster.client, tmp_path)
        experiment.hold(*HELD)
        orphan, other = cluster.workers
        lost = experiment.running_at(orphan)
        cluster.dispatchers[0].crash()
        wait_until(lambda: all(experiment.record(name).losses for name in lost), LEASE + PATIENCE, "the takeover")
        experiment.submit(*QUICK)
        experiment.ledger.release()
        runs = len(HELD) + len(QUICK) + len(lost)
        wait_until(lambda: len(experiment.ledger.ends()) == runs, 20, "the other worker doing it all")
        again = {experiment.ledger.pids(name)[1] for name in lost}
        assert again <= set(other.descendants())
        records = experiment.finish(untouched=experiment.accepted.keys() - set(lost))
        assert [record.attempt for record in records[: len(HELD)]] == [1 + (name in lost) for name in HELD]
        cluster.dispatchers[0].start()
        wait_until(lambda: orphan.pid in cluster.registered(), what="the orphan having a dispatcher again")
        wait_until(lambda: sum(one.fenced for one in cluster.client.workers()) >= len(lost), what="its late results")
