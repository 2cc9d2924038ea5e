"""Restarts as an operator makes them, SIGTERM and start again, one part after the other, while tasks go on."""

import pytest

from mpcsfaas.testing.cluster import Cluster
from mpcsfaas.testing.experiment import Experiment, load
from mpcsfaas.testing.platform import PlatformProcess


def restart(part: PlatformProcess) -> None:
    assert part.terminate() == 0
    part.start()


def test_a_rolling_restart_of_everything(cluster: Cluster, experiment: Experiment) -> None:
    """No task fails, none runs twice, and what clients ask for meanwhile is answered."""
    with load(experiment):
        for part in (*cluster.workers, *cluster.dispatchers, cluster.gateway):
            restart(part)
    experiment.finish(untouched=experiment.accepted)


@pytest.mark.parametrize("shared_cluster", ["push-redis", "pull-redis"], indirect=True)
def test_a_restart_of_redis(cluster: Cluster, experiment: Experiment) -> None:
    """What was claimed while the answer could not be given any more comes back when its lease has run out."""
    assert cluster.redis
    with load(experiment):
        cluster.redis.stop()
        cluster.redis.start()
    experiment.finish()
