"""A proxy that swallows one answer: it costs one timeout, nothing is lost, and nothing is begun twice."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mpcsfaas.curve import Keyring
from mpcsfaas.errors import InvalidFrame
from mpcsfaas.testing.cluster import Cluster
from mpcsfaas.testing.deployment import Deployment
from mpcsfaas.testing.experiment import Experiment
from mpcsfaas.testing.platform import wait_until
from mpcsfaas.testing.wire_proxy import WireProxy
from mpcsfaas.wire import FromDispatcher, Jobs, Settled, Welcome, decode_from_dispatcher


class Swallower(WireProxy):
    """Swallows the first answer that `swallows` says so of."""

    def __init__(self, dispatcher: str, keyring: Keyring, swallows: Callable[[FromDispatcher], bool]) -> None:
        super().__init__(dispatcher, keyring)
        self.swallowed = threading.Event()
        self._swallows = swallows

    def from_dispatcher(self, message: list[bytes]) -> None:
        frames = message[message.index(b"") + 1 :]
        if not self.swallowed.is_set() and any(self._swallows(said) for said in _messages(frames)):
            self.swallowed.set()
        else:
            super().from_dispatcher(message)


def _messages(frames: list[bytes]) -> Iterator[FromDispatcher]:
    for frame in frames:
        try:
            yield decode_from_dispatcher(frame)
        except InvalidFrame:
            continue


LOSSES: dict[str, Callable[[FromDispatcher], bool]] = {
    "attempts": lambda message: isinstance(message, Jobs) and bool(message.jobs),
    "no attempts": lambda message: isinstance(message, Jobs) and not message.jobs,
    "receipts": lambda message: isinstance(message, Settled) and bool(message.keys),
    "welcome": lambda message: isinstance(message, Welcome),
}


@pytest.mark.parametrize("shared_cluster", ["pull-redis"], indirect=True)
@pytest.mark.parametrize("loss", LOSSES)
def test_a_reply_that_is_lost(loss: str, cluster: Cluster, experiment: Experiment, tmp_path: Path) -> None:
    """It costs one timeout and a new socket."""
    numbered = [f"task{number}" for number in range(40)]
    experiment.client = experiment.client.with_options(labels=["proxied"])
    dispatcher = f"tcp://127.0.0.1:{cluster.proxies[0].port}"
    keyring = cluster.keyring
    with Swallower(dispatcher, keyring, LOSSES[loss]) as proxy, Deployment(tmp_path, "pull") as deployment:
        key = ["--worker-key", str(keyring.own_file)]
        deployment.worker(2, "--labels", "proxied", *key, workers_url=proxy.url).start()
        experiment.submit(*numbered)
        wait_until(proxy.swallowed.is_set, 20, f"{loss} being lost")
        experiment.submit("afterwards")
        records = experiment.finish(untouched=[*numbered, "afterwards"])
        assert [record.attempt for record in records] == [1] * len(records)
