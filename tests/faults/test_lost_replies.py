"""A proxy that swallows one answer: it costs one timeout, nothing is lost, and nothing is begun twice."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import zmq

from mpcsfaas.curve import Keyring
from mpcsfaas.errors import InvalidFrame
from mpcsfaas.sockets import present
from mpcsfaas.testing.cluster import Cluster
from mpcsfaas.testing.deployment import Deployment
from mpcsfaas.testing.experiment import Experiment
from mpcsfaas.testing.platform import wait_until
from mpcsfaas.wire import FromDispatcher, Jobs, Settled, Welcome, decode_from_dispatcher


class Proxy:
    """Passes requests and answers on, except the first answer that `swallows` says so of. It has stolen all keys."""

    def __init__(self, dispatcher: str, keyring: Keyring, swallows: Callable[[FromDispatcher], bool]) -> None:
        self.swallowed = threading.Event()
        self._swallows = swallows
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._workers = self._context.socket(zmq.ROUTER)
        self._workers.linger = 0
        self._workers.curve_server = True
        self._workers.curve_secretkey = keyring.dispatcher_key().secret_key.encode()
        port = self._workers.bind_to_random_port("tcp://127.0.0.1")
        self.url = f"tcp://127.0.0.1:{port}"
        self._dispatcher = self._context.socket(zmq.DEALER)
        self._dispatcher.linger = 0
        present(self._dispatcher, keyring.own_key())
        self._dispatcher.connect(dispatcher)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def close(self) -> None:
        self._ended.set()
        self._thread.join()
        self._workers.close()
        self._dispatcher.close()
        self._context.term()

    def _run(self) -> None:
        poller = zmq.Poller()
        poller.register(self._workers, zmq.POLLIN)
        poller.register(self._dispatcher, zmq.POLLIN)
        while not self._ended.is_set():
            ready = dict(poller.poll(50))
            if self._workers in ready:
                self._dispatcher.send_multipart(self._workers.recv_multipart())
            if self._dispatcher in ready:
                self._pass_on(self._dispatcher.recv_multipart())

    def _pass_on(self, answer: list[bytes]) -> None:
        frames = answer[answer.index(b"") + 1 :]
        if not self.swallowed.is_set() and any(self._swallows(message) for message in _messages(frames)):
            self.swallowed.set()
        else:
            self._workers.send_multipart(answer)


def _messages(frames: list[bytes]) -> Iterator[FromDispatcher]:
    for frame in frames:
        try:
            yield decode_from_dispatcher(frame)
        except InvalidFrame:
            continue


@contextmanager
def proxied(dispatcher: str, keyring: Keyring, swallows: Callable[[FromDispatcher], bool]) -> Iterator[Proxy]:
    proxy = Proxy(dispatcher, keyring, swallows)
    try:
        yield proxy
    finally:
        proxy.close()


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
    with proxied(dispatcher, keyring, LOSSES[loss]) as proxy, Deployment(tmp_path, "pull") as deployment:
        key = ["--worker-key", str(keyring.own_file)]
        deployment.worker(2, "--labels", "proxied", *key, workers_url=proxy.url).start()
        experiment.submit(*numbered)
        wait_until(proxy.swallowed.is_set, 20, f"{loss} being lost")
        experiment.submit("afterwards")
        records = experiment.finish(untouched=[*numbered, "afterwards"])
        assert [record.attempt for record in records] == [1] * len(records)
