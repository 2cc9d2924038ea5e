"""Clusters that the experiments mistreat one after the other, each with a beat and a limit that save time."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mpcsfaas.testing.cluster import Cluster
from mpcsfaas.testing.experiment import Experiment

HASTE = ("--plugin", "heartbeat", "--heartbeat-interval", "0.5", "--heartbeat-limit", "3")


@pytest.fixture(scope="package", params=["push-redis", "pull-redis", "push-sqlite"])
def shared_cluster(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    mode, storage = request.param.split("-")
    with Cluster(tmp_path_factory.mktemp(request.param), mode, storage, settings=HASTE) as cluster:
        yield cluster


@pytest.fixture
def cluster(shared_cluster: Cluster) -> Cluster:
    """One that is well, whatever was done to it before."""
    shared_cluster.revive()
    return shared_cluster


@pytest.fixture
def experiment(cluster: Cluster, tmp_path: Path) -> Experiment:
    return Experiment(cluster.client, tmp_path)
