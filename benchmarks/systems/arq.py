"""arq: the adapter, and what its workers import."""

import asyncio
from collections.abc import Iterable
from typing import Any

from arq import create_pool
from arq.connections import RedisSettings
from benchmarks.systems.redis_queue import PATIENCE, URL, RedisQueue
from benchmarks.systems.work import Function

POLL_SECONDS = 0.001


async def noop(context: object, number: int) -> int:
    """Do nothing."""
    return number


async def echo(context: object, data: bytes) -> bytes:
    """Give back what came."""
    return data


class WorkerSettings:
    """What `arq` reads."""

    functions = (noop, echo)
    redis_settings = RedisSettings.from_dsn(URL)
    poll_delay = POLL_SECONDS


class Arq(RedisQueue):
    name = "arq"
    settings = "tasks and results are looked for every millisecond rather than every 500"
    distributions = ("arq", "redis")

    def start(self) -> None:
        self.runner = self.resources.enter_context(asyncio.Runner())
        super().start()

    def start_workers(self) -> None:
        self.pool = self.runner.run(create_pool(WorkerSettings.redis_settings))
        self.resources.callback(lambda: self.runner.run(self.pool.aclose()))
        for number in range(self.workers):
            self.run(f"worker {number}", "arq", f"{__name__}.WorkerSettings")

    def results(self, function: Function, arguments: Iterable[Any]) -> list[Any]:
        return self.runner.run(self._results(function.__name__, arguments))

    async def _results(self, name: str, arguments: Iterable[Any]) -> list[Any]:
        jobs = [await self.pool.enqueue_job(name, argument) for argument in arguments]
        return [await job.result(timeout=PATIENCE, poll_delay=POLL_SECONDS) for job in jobs]
