"""The gateway dies, the client dies; the tasks do not."""

import os
import signal
import socket
import subprocess
import sys
from collections import Counter
from concurrent.futures import as_completed
from pathlib import Path
from typing import Any

import pytest

from mpcsfaas.client import Client, Executor, errors
from mpcsfaas.model import State
from mpcsfaas.testing.platform import PlatformProcess, wait_until

COUNT = 1000


def platform_with_port(folder: Path) -> PlatformProcess:
    """One that comes back on the same port after a restart."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    return PlatformProcess(folder, "-w", "2", "--port", str(port))


def test_a_platform_that_is_killed_and_restarted_loses_and_doubles_nothing(tmp_path: Path) -> None:
    platform = platform_with_port(tmp_path).start()
    with Client(platform.url, timeout=60) as client, Executor(client) as executor:
        pending = [executor.submit(pow, number, 2) for number in range(COUNT)]
        done = as_completed(pending, 90)
        for _ in range(COUNT // 10):
            next(done)
        platform.kill()
        pending += [executor.submit(pow, number, 2) for number in range(COUNT, 2 * COUNT)]
        with platform:
            assert [future.result(90) for future in pending] == [number**2 for number in range(2 * COUNT)]
            records = list(client.tasks(group=executor.group))
            assert Counter(record.state for record in records) == {State.COMPLETED: 2 * COUNT}
            assert {record.id for record in records} == {future.task_id for future in pending}


SUBMITTER = """
import sys, time
from mpcsfaas import Client, Executor

class Reading:
    def __init__(self, value):
        self.value = value

def work(number):
    time.sleep(0.02)
    if number == 3:
        raise KeyError(number)
    return Reading(number)

executor = Executor(Client(sys.argv[1]), group="of-one-that-died")
futures = [executor.submit(work, number) for number in range(40)]
sleeper = executor.submit(time.sleep, 3600)
futures[0].result(30)
while not all(future.accepted for future in [*futures, sleeper]):
    time.sleep(0.01)
print("submitted", flush=True)
time.sleep(3600)
"""


@pytest.fixture
def dead_submitter(platform: PlatformProcess) -> None:
    """A process that submitted tasks to a group, and died of `kill -9` before most of them had ended."""
    command = [sys.executable, "-c", SUBMITTER, platform.url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "submitted\n"
        os.kill(process.pid, signal.SIGKILL)


@pytest.mark.usefixtures("dead_submitter")
def test_another_process_takes_up_the_tasks_of_one_that_died(client: Client) -> None:
    executor = Executor.attach("of-one-that-died", client)
    try:
        *futures, sleeper = executor.futures
        assert len(futures) == 40
        for number, future in enumerate(futures):
            check_reading(number, future)
        assert executor.submit(pow, 2, 5).result(30) == 32
        assert sleeper.cancel()
    finally:
        executor.shutdown(cancel_futures=True)
    with Executor.attach("of-one-that-died", client) as again:
        assert [future.exception(30) is None for future in again.futures if not future.cancelled()].count(False) == 1
        assert sum(future.cancelled() for future in again.futures) == 1
        assert len(again.futures) == 42


def check_reading(number: int, future: Any) -> None:
    if number == 3:
        assert isinstance(future.exception(30), KeyError)
    else:
        assert future.result(30).value == number


def test_attaching_to_a_group_without_tasks(client: Client) -> None:
    with Executor.attach("never heard of", client) as executor:
        assert executor.futures == []
        assert executor.submit(pow, 2, 5).result(30) == 32


def test_results_that_expired_say_so(client: Client) -> None:
    with Executor(client.with_options(ttl=0.05), group="short-lived") as executor:
        executor.submit(pow, 2, 5).result(30)
        (record,) = client.tasks(group="short-lived")
    wait_until(lambda: client.task(record.id).expired, 30, "expiry")
    with Executor.attach("short-lived", client) as executor:
        assert isinstance(executor.futures[0].exception(30), errors.ResultExpired)
    with pytest.raises(errors.ResultExpired):
        client.result(record.id)
