"""What task queues on Redis have in common."""

import os
from abc import abstractmethod

from benchmarks.processes import end, program, start
from benchmarks.systems.base import Mapper

from mpcsfaas.testing.platform import free_port
from mpcsfaas.testing.redis_server import RedisServer

PORT = int(os.environ.setdefault("BENCHMARK_REDIS_PORT", str(free_port())))
"""Where Redis is going to be. Queues and their workers must know it as they import the tasks, before it is started."""
URL = f"redis://127.0.0.1:{PORT}/0"
PATIENCE = 60
"""Seconds after which a result is given up."""


class RedisQueue(Mapper):
    """Redis that keeps nothing on disk, and workers that are started by `run`."""

    def start(self) -> None:
        folder = self.folder / "redis"
        folder.mkdir()
        redis = RedisServer(folder)
        redis.port = PORT
        self.parts = {"redis": self.resources.enter_context(redis).pid}
        self.start_workers()
        self.noops(self.workers)

    @abstractmethod
    def start_workers(self) -> None:
        """Start `workers` worker processes."""

    def run(self, part: str, command: str, *arguments: str) -> None:
        """Run a command of the queue's distribution."""
        process = start([program(command), *arguments], self.folder / part)
        self.resources.callback(end, process)
        self.parts[part] = process.pid

    def processes(self) -> dict[str, int]:
        return self.parts
