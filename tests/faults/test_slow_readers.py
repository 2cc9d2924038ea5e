"""Five hundred readers of a stream who read slowly or not at all: they cost little, and nobody else is held up."""

import json
from pathlib import Path

import psutil
import requests

from mpcsfaas.client import Client
from mpcsfaas.sockets import allow_open_files
from mpcsfaas.testing.deployment import Deployment
from mpcsfaas.testing.platform import wait_until
from mpcsfaas.testing.slow_readers import SlowReaders

READERS = 500
RESULTS, RESULT_BYTES = 200, 20_000
"""For each reader some five megabytes, of which the kernel takes little."""
CLOSING = 2
"""Connections of others that may be about to be closed when descriptors are counted."""
MOST_BYTES = 512 * 1024
"""That a reader may cost the gateway, whatever waits for it."""
STREAM = "/v1/groups/followed/stream"


def make_result(number: int) -> str:
    return "x" * RESULT_BYTES


def follow(url: str, count: int) -> list[str]:
    """The ids of so many tasks, as a reader gets them who reads."""
    with requests.get(f"{url}{STREAM}", stream=True, timeout=60) as answer:
        data = (line.removeprefix(b"data: ") for line in answer.iter_lines(65536) if line.startswith(b"data: "))
        return [json.loads(next(data))["id"] for _ in range(count)]


def test_five_hundred_slow_readers(tmp_path: Path) -> None:
    allow_open_files()
    with Deployment(tmp_path, "local") as deployment:
        gateway = deployment.gateway()
        deployment.dispatcher("-w", "2")
        with Client(deployment.start().url, timeout=60) as client:
            followed = client.with_options(group="followed")
            tasks = followed.submit_many(make_result, [(number,) for number in range(RESULTS)])
            assert len(follow(gateway.url, RESULTS)) == RESULTS
            process = psutil.Process(gateway.pid)
            memory, descriptors = process.memory_info().rss, process.num_fds()
            with SlowReaders(gateway.url, STREAM, READERS):
                tasks += followed.submit_many(make_result, [(number,) for number in range(20)])
                assert list(client.map(abs, range(-200, 0), progress=False)) == list(range(200, 0, -1))
                assert sorted(follow(gateway.url, len(tasks))) == sorted(task.id for task in tasks)
                assert process.num_fds() >= descriptors - CLOSING + READERS, "somebody was not served to the end"
                assert (process.memory_info().rss - memory) / READERS < MOST_BYTES
            wait_until(lambda: process.num_fds() <= descriptors + CLOSING, 20, "the readers' descriptors being closed")
