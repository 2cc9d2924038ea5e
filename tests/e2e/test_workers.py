"""What the platform says of its workers, how labels choose among them, and how one leaves."""

import platform as machine
import socket
from collections import Counter

from mpcsfaas.client import Client
from mpcsfaas.client.records import Worker
from mpcsfaas.testing.deployment import Deployment
from mpcsfaas.testing.ledger import Ledger
from mpcsfaas.testing.platform import PlatformProcess, wait_until

SLOTS = 3


def workers(client: Client) -> list[Worker]:
    [dispatcher] = client.workers()
    return dispatcher.workers


def all_listed(client: Client) -> bool:
    return sum(worker.slots for worker in workers(client)) == SLOTS


def test_workers_are_listed_with_what_they_are(client: Client, platform: Deployment) -> None:
    wait_until(lambda: all_listed(client), 30, "all workers being listed")
    [dispatcher] = client.workers()
    assert (dispatcher.strategy, dispatcher.host) == (platform.mode, socket.gethostname())
    for worker in dispatcher.workers:
        assert worker.host == socket.gethostname()
        assert worker.python_version == machine.python_version()
    labels = sorted((worker.slots, worker.labels) for worker in dispatcher.workers)
    assert labels == ([(3, ["labelled"])] if platform.mode == "local" else [(1, ["labelled"]), (2, [])])


def test_busy_slots_and_signs_of_life_are_told(client: Client, ledger: Ledger) -> None:
    wait_until(lambda: all_listed(client), 30, "all workers being listed")
    before = {worker.id: worker.last_seen for worker in workers(client)}
    task = client.submit(ledger.held_task(), "held", True)
    wait_until(lambda: sum(worker.busy for worker in workers(client)) == 1, 30, "one slot being busy")
    wait_until(lambda: all(worker.last_seen > before[worker.id] for worker in workers(client)), 30, "another beat")
    ledger.release()
    assert task.result(30)[0] == "held"


def test_a_task_with_labels_runs_where_they_are(client: Client) -> None:
    wait_until(lambda: all_listed(client), 30, "all workers being listed")
    [chosen] = [worker.id for worker in workers(client) if worker.labels]
    tasks = client.with_options(labels=["labelled"]).submit_many(abs, [(number,) for number in range(20)])
    assert [task.result(30) for task in tasks] == list(range(20))
    assert {attempt.worker for task in tasks for attempt in client.task(task).history} == {chosen}


def test_a_worker_that_is_told_to_end_finishes_and_loses_nothing(
    client: Client, ledger: Ledger, extra_worker: PlatformProcess
) -> None:
    names = [str(number) for number in range(80)]
    tasks = client.submit_many(ledger.task(), [(name, 0.02) for name in names])
    wait_until(lambda: {entry.pid for entry in ledger.entries()} & set(extra_worker.descendants()), 30, "its share")
    assert extra_worker.terminate() == 0
    assert [task.result(60) for task in tasks] == names
    assert {(record.losses, record.failures) for record in map(client.task, tasks)} == {(0, 0)}
    assert Counter(ledger.names()) == dict.fromkeys(names, 1)
    wait_until(lambda: all_listed(client), 30, "the one that left being forgotten")
