"""kill -9 of the dispatcher in the middle of a chain of tasks."""

from mpcsfaas.client import result_of
from mpcsfaas.model import State
from mpcsfaas.testing.cluster import Cluster

LENGTH = 40


def successor(number: int) -> int:
    import time

    time.sleep(0.02)
    return number + 1


successor.__module__ = "__main__"  # workers cannot import the tests, so let it travel by value


def test_a_chain_goes_on_where_it_was(cluster: Cluster) -> None:
    [dispatcher] = cluster.dispatchers
    chain = [cluster.client.submit(successor, 0)]
    for _ in range(LENGTH - 1):
        chain.append(cluster.client.submit(successor, result_of(chain[-1])))
    chain[5].result(60)
    dispatcher.crash()
    assert chain[-1].status() is State.QUEUED
    dispatcher.start()
    assert chain[-1].result(60) == LENGTH
