"""Redis without memory for more: nothing is said to be accepted, and what was accepted ends."""

import pytest
import requests

from mpcsfaas.testing.cluster import Cluster
from mpcsfaas.testing.experiment import HELD, QUICK, Experiment

pytestmark = pytest.mark.parametrize("shared_cluster", ["push-redis", "pull-redis"], indirect=True)


def test_redis_out_of_memory(cluster: Cluster, experiment: Experiment) -> None:
    assert cluster.redis
    experiment.hold(*HELD)
    experiment.submit(*QUICK)
    function_id = experiment.record("ann").function_id
    body = {"tasks": [{"function_id": function_id, "args": ["never accepted", False], "group": experiment.group}] * 20}
    cluster.redis.command("CONFIG", "SET", "maxmemory", "1mb")
    try:
        for path, content in (("/v1/tasks:batch", body), ("/v1/tasks", body["tasks"][0])):
            answer = requests.post(f"{cluster.gateway.url}{path}", json=content, timeout=30)
            assert (answer.status_code, int(answer.headers["Retry-After"]) > 0) == (503, True)
            assert "memory" in answer.json()["detail"]
        experiment.finish(untouched=[*HELD, *QUICK])
    finally:
        cluster.redis.command("CONFIG", "SET", "maxmemory", "0")
    experiment.submit("afterwards")
    experiment.finish(untouched=experiment.accepted)
