"""Two gateways, two dispatchers and their workers on one Redis."""

from collections import Counter
from collections.abc import Iterator

import pytest
import requests

from mpcsfaas.client import Client
from mpcsfaas.testing.deployment import Deployment
from mpcsfaas.testing.ledger import Ledger
from mpcsfaas.testing.platform import free_port, wait_until
from mpcsfaas.testing.redis_server import RedisServer

TASKS = 100


@pytest.fixture(scope="module")
def gateways(tmp_path_factory: pytest.TempPathFactory, redis: RedisServer) -> Iterator[tuple[Client, Client]]:
    """Clients of two gateways. Each of the two dispatchers has a worker of its own."""
    with Deployment(tmp_path_factory.mktemp("shared"), "push", f"{redis.url[:-1]}7") as deployment:
        gateways = [deployment.gateway() for _ in range(2)]
        for url in (f"tcp://127.0.0.1:{free_port()}" for _ in range(2)):
            deployment.dispatcher(workers_url=url)
            deployment.worker(1, workers_url=url)
        deployment.start()
        with Client(gateways[0].url) as one, Client(gateways[1].url) as other:
            wait_until(lambda: sum(len(dispatcher.workers) for dispatcher in one.workers()) == 2, 30, "both workers")
            yield one, other


def test_tasks_of_either_gateway_run_once_at_both_dispatchers(gateways: tuple[Client, Client], ledger: Ledger) -> None:
    one, other = gateways
    names = [str(number) for number in range(2 * TASKS)]
    calls = [(name, 0.01) for name in names]
    tasks = one.submit_many(ledger.task(), calls[:TASKS]) + other.submit_many(ledger.task(), calls[TASKS:])
    for reader in gateways:
        assert [reader.result(task, timeout=60) for task in tasks] == names
    assert Counter(ledger.names()) == dict.fromkeys(names, 1)
    records = [one.task(task) for task in tasks]
    assert {len(record.history) for record in records} == {1}
    assert {record.history[0].worker for record in records} == {
        worker.id for dispatcher in other.workers() for worker in dispatcher.workers
    }
    assert one.stats() == other.stats()
    assert other.stats().fenced == 0


def test_a_gateway_awaits_what_another_was_given(gateways: tuple[Client, Client], ledger: Ledger) -> None:
    one, other = gateways
    task = other.submit(ledger.task(), "elsewhere", 0.3)
    answer = requests.get(f"{one.url}/v1/tasks/{task.id}/result?wait=30", timeout=60)
    assert (answer.status_code, answer.json()["state"]) == (200, "COMPLETED")


def test_a_group_that_both_were_given_is_one(gateways: tuple[Client, Client]) -> None:
    one, other = (client.with_options(group="common") for client in gateways)
    ids = [task.id for task in one.submit_many(abs, [(1,)] * 20) + other.submit_many(abs, [(2,)] * 20)]
    assert sorted(record.id for record in other.tasks(group="common")) == sorted(ids)
    assert one.cancel(ids[0]) is other.status(ids[0])
