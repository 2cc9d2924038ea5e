"""kill -9 of every part, one at a time."""

import os
import signal

from mpcsfaas.model import FailureKind
from mpcsfaas.testing.cluster import Cluster
from mpcsfaas.testing.experiment import Experiment

QUICK = [f"quick{number}" for number in range(40)]
"""Tasks that wait behind the held ones."""


def test_a_child(cluster: Cluster, experiment: Experiment) -> None:
    """Its task runs again, and nobody else notices."""
    experiment.hold("victim", "neighbour", "other", "another")
    experiment.submit(*QUICK)
    [child] = experiment.ledger.pids("victim")
    os.kill(child, signal.SIGKILL)
    victim, *_ = experiment.finish(untouched=["neighbour", "other", "another", *QUICK])
    assert [attempt.failure and attempt.failure.kind for attempt in victim.history] == [FailureKind.CRASHED, None]
    assert len(experiment.ledger.pids("victim")) == 2
