"""SIGSTOP and SIGCONT: what seemed dead comes back, with something to say."""

import pytest
import requests

from mpcsfaas.testing.cluster import Cluster
from mpcsfaas.testing.experiment import HELD, Experiment
from mpcsfaas.testing.ledger import Entry
from mpcsfaas.testing.platform import wait_until

pytestmark = pytest.mark.parametrize("shared_cluster", ["push-redis", "pull-redis"], indirect=True)


def fenced(cluster: Cluster) -> int:
    return sum(dispatcher.fenced for dispatcher in cluster.client.workers())


def test_a_worker_past_its_limit(cluster: Cluster, experiment: Experiment) -> None:
    """Its children run on; what they returned is rejected and counted, and it is a worker like any other again."""
    rejected_before = fenced(cluster)
    experiment.hold(*HELD)
    sleeper, _ = cluster.workers
    late = experiment.running_at(sleeper)
    sleeper.suspend()
    wait_until(lambda: all(experiment.record(name).losses for name in late), what="the worker being given up")
    experiment.ledger.release()
    wait_until(
        lambda: len(experiment.ledger.ends()) == len(HELD) + len(late), 20, "all having run, the late ones twice"
    )
    sleeper.resume()
    wait_until(lambda: sleeper.pid in cluster.registered(), what="the worker being registered again")
    assert cluster.dispatchers[0].is_running
    records = experiment.finish(untouched=set(HELD) - set(late))
    assert [record.attempt for record in records] == [1 + (name in late) for name in HELD]
    stored = [Entry(*experiment.client.result(experiment.accepted[name])) for name in late]
    assert stored == [Entry(name, experiment.ledger.pids(name)[1]) for name in late], "the current attempt's value"
    wait_until(lambda: fenced(cluster) >= rejected_before + len(late), what="the late results being counted")


def test_all_workers_work_after_that(cluster: Cluster, experiment: Experiment) -> None:
    experiment.hold(*HELD)
    assert [len(experiment.running_at(worker)) for worker in cluster.workers] == [2, 2]
    experiment.finish(untouched=HELD)


def test_redis_that_hangs(cluster: Cluster, experiment: Experiment) -> None:
    """Nothing is said to be accepted meanwhile; running tasks end, and their results wait."""
    assert cluster.redis
    experiment.hold(*HELD)
    cluster.redis.suspend()
    experiment.ledger.release()
    answer = requests.get(f"{cluster.gateway.url}/v1/tasks/{experiment.accepted['ann']}", timeout=20)
    assert (answer.status_code, int(answer.headers["Retry-After"]) > 0) == (503, True)
    assert len(experiment.ledger.ends()) == len(HELD)
    cluster.redis.resume()
    experiment.submit("afterwards")
    experiment.finish(untouched=[*HELD, "afterwards"])
