"""Clusters that the experiments mistreat one after the other, each with a beat and a limit that save time."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from mpcsfaas.testing.cluster import Cluster
from mpcsfaas.testing.experiment import Experiment

HASTE = ("--plugin", "heartbeat", "--heartbeat-interval", "0.5", "--heartbeat-limit", "3")


@dataclass
class Tally:
    """What all experiments of a run did. Each of them has failed if it found a task lost, or run without a reason."""

    experiments: int = 0
    accepted: int = 0
    runs: int = 0

    def add(self, experiment: Experiment) -> None:
        self.experiments += 1
        self.accepted += len(experiment.accepted)
        self.runs += len(experiment.ledger.entries())


TALLY = pytest.StashKey[Tally]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[TALLY] = Tally()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    rounds = metafunc.config.getoption("--soak")
    if rounds > 1:
        metafunc.fixturenames.append("soak_round")
        metafunc.parametrize("soak_round", range(rounds))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    tally = config.stash[TALLY]
    if tally.experiments:
        terminalreporter.write_line(
            f"faults: {tally.experiments} experiments, {tally.accepted} tasks accepted, {tally.runs} runs of them."
        )


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
def experiment(cluster: Cluster, tmp_path: Path, pytestconfig: pytest.Config) -> Iterator[Experiment]:
    experiment = Experiment(cluster.client, tmp_path)
    yield experiment
    pytestconfig.stash[TALLY].add(experiment)
