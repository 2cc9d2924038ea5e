"""Every result is said three times, late and out of order, also while the task runs again: it counts once."""

import os
import random
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from mpcsfaas import wire
from mpcsfaas.curve import Keyring
from mpcsfaas.errors import InvalidFrame
from mpcsfaas.model import AttemptKey
from mpcsfaas.testing.cluster import Cluster
from mpcsfaas.testing.deployment import Deployment
from mpcsfaas.testing.experiment import Experiment
from mpcsfaas.testing.platform import wait_until
from mpcsfaas.testing.wire_proxy import WireProxy

T = TypeVar("T")

MOST_LATE = 0.6
"""Seconds."""
TASKS = tuple(f"task{number}" for number in range(120))


class Repeater(WireProxy):
    """Passes everything on at once, and twice again, later, whatever has results, each on its own.

    A worker that pushes has one connection, so its repetitions come on that; one that pulls cannot have two answers to
    one request, so there they come on another one.
    """

    def __init__(self, dispatcher: str, keyring: Keyring, mode: str) -> None:
        super().__init__(dispatcher, keyring)
        self._pushes = mode == "push"
        self._again = self.dispatcher if self._pushes else self.connect()
        self._route = b""
        self._due: list[tuple[float, bytes]] = []
        self._unanswered: set[AttemptKey] = set()
        self._chance = random.Random(5)
        self.repeated = 0
        self.idle = threading.Event()
        """Everything was said again, and the dispatcher has answered."""

    def from_worker(self, message: list[bytes]) -> None:
        self._route = message[0]
        super().from_worker(message[1:] if self._pushes else message)
        for frame in message:
            if isinstance(_understood(frame, wire.decode_from_worker), wire.Results):
                self._due += [(time.monotonic() + self._chance.uniform(0, MOST_LATE), frame) for _ in range(2)]

    def from_dispatcher(self, message: list[bytes]) -> None:
        super().from_dispatcher([self._route, *message] if self._pushes else message)
        self._note(message)

    def on_time(self) -> None:
        now = time.monotonic()
        for _, frame in sorted(item for item in self._due if item[0] <= now):
            self._repeat(frame)
        self._due = [item for item in self._due if item[0] > now]
        if not self._pushes and self._again.poll(0):
            self._note(self._again.recv_multipart())
        (self.idle.clear if self._due or self._unanswered else self.idle.set)()

    def _repeat(self, frame: bytes) -> None:
        said = wire.decode_from_worker(frame)
        assert isinstance(said, wire.Results)
        self._unanswered.update(result.key for result in said.results)
        self._again.send_multipart([frame] if self._pushes else [b"", frame])
        self.repeated += len(said.results)

    def _note(self, message: list[bytes]) -> None:
        for frame in message:
            said = _understood(frame, wire.decode_from_dispatcher)
            if isinstance(said, wire.Settled):
                self._unanswered.difference_update(said.keys)


def _understood(frame: bytes, decode: Callable[[bytes], T]) -> T | None:
    try:
        return decode(frame)
    except InvalidFrame:
        return None


@pytest.mark.parametrize("shared_cluster", ["push-redis", "pull-redis"], indirect=True)
def test_results_that_come_again_and_late(cluster: Cluster, experiment: Experiment, tmp_path: Path) -> None:
    """One task's first run crashes; what was said of that comes again while its second run goes on."""
    experiment.client = experiment.client.with_options(labels=["repeated"])
    dispatcher = f"tcp://127.0.0.1:{cluster.proxies[0].port}"
    with (
        Repeater(dispatcher, cluster.keyring, cluster.mode) as proxy,
        Deployment(tmp_path, cluster.mode) as deployment,
    ):
        key = ["--worker-key", str(cluster.keyring.own_file)]
        deployment.worker(2, "--labels", "repeated", *key, workers_url=proxy.url).start()
        experiment.hold("victim")
        os.kill(experiment.ledger.pids("victim")[0], signal.SIGKILL)
        wait_until(lambda: len(experiment.ledger.pids("victim")) == 2, what="its second run")
        experiment.submit(*TASKS)
        wait_until(lambda: len(experiment.ledger.ends()) == len(TASKS), 30, "the others having run")
        wait_until(proxy.idle.is_set, what="everything having been said again")
        assert proxy.repeated == 2 * (len(TASKS) + 1)
        assert not experiment.record("victim").state.is_terminal
        experiment.finish(untouched=TASKS)
