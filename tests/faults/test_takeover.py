"""Two dispatchers on one Redis, each with a worker; one is killed, and the other has its tasks within one lease."""

from pathlib import Path

import pytest

from mpcsfaas.testing.cluster import Cluster
from mpcsfaas.testing.experiment import Experiment
from mpcsfaas.testing.platform import wait_until

LEASE = 3.0
PATIENCE = 2.0
"""Seconds in which a lapsed lease is found, on a busy machine."""
HELD = ["ann", "bob", "cat", "dan"]


@pytest.mark.parametrize("mode", ["push", "pull"])
def test_a_dispatchers_tasks_are_taken_over(mode: str, tmp_path: Path) -> None:
    with Cluster(tmp_path, mode, dispatchers=2, settings=["--lease", str(LEASE)]) as cluster:
        experiment = Experiment(cluster.client, tmp_path)
        experiment.hold(*HELD)
        orphan, other = cluster.workers
        lost = [name for name in HELD if experiment.ledger.pids(name)[0] in orphan.descendants()]
        cluster.dispatchers[0].crash()
        wait_until(lambda: all(experiment.record(name).losses for name in lost), LEASE + PATIENCE, "the takeover")
        experiment.submit(*(f"quick{number}" for number in range(40)))
        experiment.ledger.release()
        wait_until(lambda: len(set(experiment.ledger.names())) == 44, 20, "the other dispatcher's worker doing it all")
        again = {experiment.ledger.pids(name)[1] for name in lost}
        assert again <= set(other.descendants())
        records = experiment.finish(untouched=experiment.accepted.keys() - set(lost))
        assert [record.attempt for record in records[: len(HELD)]] == [1 + (name in lost) for name in HELD]
        cluster.dispatchers[0].start()
        wait_until(lambda: orphan.pid in cluster.registered(), what="the orphan having a dispatcher again")
        wait_until(lambda: sum(one.fenced for one in cluster.client.workers()) == len(lost), what="its late results")
