"""A bad network between workers and their dispatcher: work goes on once it is well."""

import pytest

from mpcsfaas.testing.cluster import Cluster
from mpcsfaas.testing.experiment import HELD, QUICK, Experiment
from mpcsfaas.testing.platform import wait_until

pytestmark = pytest.mark.parametrize("shared_cluster", ["push-redis", "pull-redis"], indirect=True)


def test_dropped_connections(cluster: Cluster, experiment: Experiment) -> None:
    """Workers connect again before anybody misses them, again and again."""
    experiment.hold(*HELD)
    experiment.submit(*QUICK)
    for _ in range(3):
        wait_until(lambda: cluster.proxies[0].connections > 1, what="the workers being connected")
        cluster.proxies[0].drop()
    experiment.finish(untouched=[*HELD, *QUICK])


def test_a_short_black_hole(cluster: Cluster, experiment: Experiment) -> None:
    """Shorter than the limit: nobody is given up, and what was said in vain is said again."""
    experiment.hold(*HELD)
    cluster.proxies[0].black_hole()
    experiment.ledger.release()
    wait_until(lambda: len(experiment.ledger.ends()) == len(HELD), what="the held ones having ended")
    experiment.submit(*QUICK)
    cluster.proxies[0].heal()
    experiment.finish(untouched=[*HELD, *QUICK])


def test_a_long_black_hole(cluster: Cluster, experiment: Experiment) -> None:
    """Longer than the limit: all are given up, come back, and run again what was taken from them."""
    experiment.hold(*HELD)
    experiment.submit(*QUICK)
    cluster.proxies[0].black_hole()
    wait_until(lambda: not cluster.registered(), what="all workers being given up")
    cluster.proxies[0].heal()
    records = experiment.finish()
    assert [record.losses for record in records[: len(HELD)]] == [1] * len(HELD)


def test_half_open_connections(cluster: Cluster, experiment: Experiment) -> None:
    """Workers find out by themselves that nobody is at the other end."""
    experiment.hold(*HELD)
    experiment.submit(*QUICK)
    cluster.proxies[0].half_open()
    experiment.finish()
