"""mpcsfaas, in each mode and on each storage, as the SDK and the command line set it up."""

import asyncio
from collections.abc import Sequence
from typing import ClassVar

from benchmarks.systems.base import System
from benchmarks.systems.work import echo, noop

from mpcsfaas import AsyncClient, Client
from mpcsfaas.testing.deployment import Deployment
from mpcsfaas.testing.platform import PlatformProcess
from mpcsfaas.testing.redis_server import RedisServer

CONNECTIONS = 32


class Ours(System):
    """Submits by `Client.map`, which sends batches."""

    distributions = ("mpcsfaas", "pyzmq", "redis", "uvicorn", "uvloop")
    mode: ClassVar[str]
    storage: ClassVar[str] = "redis"
    aof: ClassVar[str | None] = None

    def start(self) -> None:
        self.redis = self._start_redis() if self.storage == "redis" else None
        deployment = Deployment(self.folder, self.mode, self.redis.url if self.redis else "")
        self.parts = self._parts(deployment)
        self.resources.enter_context(deployment)
        deployment.start()
        self.url = deployment.url
        self.client = self.resources.enter_context(Client(self.url))

    def _start_redis(self) -> RedisServer:
        folder = self.folder / "redis"
        folder.mkdir()
        return self.resources.enter_context(RedisServer(folder, aof=self.aof))

    def _parts(self, deployment: Deployment) -> dict[str, PlatformProcess]:
        parts = {"gateway": deployment.gateway(), "dispatcher": deployment.dispatcher()}
        return parts | {"worker": deployment.worker(self.workers)}

    def noops(self, count: int) -> None:
        assert list(self.client.map(noop, range(count), progress=False)) == list(range(count))

    def call(self) -> None:
        assert self.client.run(noop, 1) == 1

    def echo(self, payloads: Sequence[bytes]) -> list[bytes]:
        return list(self.client.map(echo, payloads, progress=False, batch_size=100))

    def processes(self) -> dict[str, int]:
        redis = {"redis": self.redis.pid} if self.redis else {}
        return {name: part.pid for name, part in self.parts.items()} | redis


class Embedded(Ours):
    """Gateway, dispatcher and workers in one tree, on a file: what `mpcsfaas up` starts."""

    name = "mpcsfaas embedded"
    settings = "mpcsfaas up: SQLite, each task on disk before it is accepted"
    mode = "local"
    storage = "sqlite"

    def _parts(self, deployment: Deployment) -> dict[str, PlatformProcess]:
        return {"platform": deployment.part("up", "-w", str(self.workers), "--storage", deployment.storage)}


class Local(Ours):
    name = "mpcsfaas local + Redis"
    mode = "local"

    def _parts(self, deployment: Deployment) -> dict[str, PlatformProcess]:
        return {"gateway": deployment.gateway(), "dispatcher": deployment.dispatcher("-w", str(self.workers))}


class Push(Ours):
    name = "mpcsfaas push + Redis"
    mode = "push"


class PushEverySecond(Ours):
    name = "mpcsfaas push + Redis, AOF everysec"
    mode = "push"
    aof = "everysec"


class Pull(Ours):
    name = "mpcsfaas pull + Redis"
    mode = "pull"


class PushSingly(Push):
    """One request for each task, as the peers do, over `CONNECTIONS` connections."""

    name = "mpcsfaas push + Redis, one request a task"
    settings = f"POST /v1/tasks?wait=…, {CONNECTIONS} at a time"

    def noops(self, count: int) -> None:
        asyncio.run(self._noops(count))

    async def _noops(self, count: int) -> None:
        numbers = iter(range(count))

        async def caller(client: AsyncClient) -> int:
            return len([await client.run(noop, number) for number in numbers])

        async with AsyncClient(self.url) as client:
            done = await asyncio.gather(*(caller(client) for _ in range(CONNECTIONS)))
        assert sum(done) == count
