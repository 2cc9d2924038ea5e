"""A whole platform of real processes that is to be mistreated: what was killed comes back, and nothing stays behind."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from mpcsfaas.client import Client
from mpcsfaas.curve import Keyring
from mpcsfaas.testing.deployment import Deployment
from mpcsfaas.testing.platform import PlatformProcess, free_port, wait_until, wait_until_gone
from mpcsfaas.testing.redis_server import RedisServer
from mpcsfaas.testing.tcp_proxy import TcpProxy

SLOTS = 2


class Cluster:
    """Storage, a gateway, dispatchers, and two workers that reach their dispatcher by way of a proxy.

    Redis has `appendfsync always`. With two dispatchers, each has a worker. Workers have two slots and keep nothing
    ready behind them, so four tasks that are held are running tasks.
    """

    def __init__(
        self, folder: Path, mode: str, storage: str = "redis", *, dispatchers: int = 1, settings: Sequence[str] = ()
    ) -> None:
        """`settings` are arguments of the dispatchers, one or two."""
        self.mode = mode
        self.redis = RedisServer(folder, aof="always") if storage == "redis" else None
        self._deployment = Deployment(folder, mode, self.redis.url if self.redis else "")
        ports = [free_port() for _ in range(dispatchers)]
        self.proxies = [TcpProxy(port) for port in ports]
        self.gateway = self._deployment.gateway("--port", str(free_port()))
        self.dispatchers = [
            self._deployment.dispatcher(*settings, workers_url=f"tcp://127.0.0.1:{port}") for port in ports
        ]
        self.workers: list[PlatformProcess] = []
        self._ends = ExitStack()
        self._seen: set[int] = set()

    @property
    def keyring(self) -> Keyring:
        """The keys of its dispatchers and workers."""
        return self._deployment.keyring

    @property
    def client(self) -> Client:
        """Of the gateway; it waits as long as the experiments take."""
        return self._client

    def revive(self) -> None:
        """Start again what has ended, heal what is ill, and wait until everybody knows everybody."""
        for proxy in self.proxies:
            proxy.heal()
        if self.redis and not self.redis.is_running:
            self.redis.start()
        _in_parallel(PlatformProcess.start, [part for part in self._parts if not part.is_running])
        wait_until(lambda: self.registered() == {worker.pid for worker in self.workers}, 30, "all being registered")
        self.take_notice()

    def registered(self) -> set[int]:
        """The process ids of all workers that a dispatcher knows."""
        return {worker.pid for dispatcher in self.client.workers() for worker in dispatcher.workers}

    def take_notice(self) -> None:
        """Of every process that runs now, and must be gone in the end."""
        for part in self._parts:
            if part.is_running:
                self._seen.update(part.descendants())

    def __enter__(self) -> Self:
        if self.redis:
            self._ends.enter_context(self.redis)
        for proxy in self.proxies:
            self._ends.enter_context(proxy)
        self._ends.enter_context(self._deployment)
        for number in range(2):
            url = f"tcp://127.0.0.1:{self.proxies[number % len(self.proxies)].port}"
            self.workers.append(self._deployment.worker(SLOTS, "--prefetch", "0", workers_url=url))
        try:
            self._deployment.start()
            self._client = self._ends.enter_context(Client(self._deployment.url, timeout=60))
            self.revive()
        except BaseException:
            self._ends.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.take_notice()
        try:
            if error is None:
                _in_parallel(PlatformProcess.terminate, self.workers)  # While there is a dispatcher to let them go.
        finally:
            _in_parallel(PlatformProcess.kill, [part for part in self._parts if part.is_running and error])
            self._ends.close()
        wait_until_gone(self._seen, what="every process of the cluster")

    @property
    def _parts(self) -> list[PlatformProcess]:
        return [self.gateway, *self.dispatchers, *self.workers]


def _in_parallel(action: Callable[[PlatformProcess], object], parts: Sequence[PlatformProcess]) -> None:
    with ThreadPoolExecutor() as threads:
        list(threads.map(action, parts))
