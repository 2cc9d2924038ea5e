"""taskiq: the adapter, and what its workers import."""

import asyncio
from base64 import b64decode, b64encode
from collections.abc import Iterable, Sequence
from typing import Any

from benchmarks.systems import work
from benchmarks.systems.redis_queue import PATIENCE, URL, RedisQueue
from benchmarks.systems.work import Function
from taskiq_redis import ListQueueBroker, RedisAsyncResultBackend

CHECK_SECONDS = 0.001

broker = ListQueueBroker(url=URL).with_result_backend(RedisAsyncResultBackend(URL))


async def noop(number: int) -> int:
    """Do nothing, on the worker's event loop rather than on a thread."""
    return number


async def echo(text: str) -> str:
    """Give back what came."""
    return text


TASKS: dict[Function, Any] = {
    work.noop: broker.task(task_name="noop")(noop),
    work.echo: broker.task(task_name="echo")(echo),
}


class Taskiq(RedisQueue):
    name = "taskiq"
    settings = "ListQueueBroker, coroutines; results are looked for every millisecond; bytes as base64, which it needs"
    distributions = ("taskiq", "taskiq-redis", "redis")

    def start(self) -> None:
        self.runner = self.resources.enter_context(asyncio.Runner())
        super().start()
        self.resources.callback(lambda: self.runner.run(broker.shutdown()))

    def start_workers(self) -> None:
        self.runner.run(broker.startup())
        kind = ("--workers", str(self.workers), "--log-level", "WARNING")
        self.run("worker", "taskiq", "worker", f"{__name__}:broker", *kind)

    def results(self, function: Function, arguments: Iterable[Any]) -> list[Any]:
        return self.runner.run(self._results(TASKS[function], arguments))

    def echo(self, payloads: Sequence[bytes]) -> list[bytes]:
        texts = [b64encode(payload).decode() for payload in payloads]
        return [b64decode(text) for text in self.results(work.echo, texts)]

    async def _results(self, task: Any, arguments: Iterable[Any]) -> list[Any]:
        handles = [await task.kiq(argument) for argument in arguments]
        ends = [await handle.wait_result(check_interval=CHECK_SECONDS, timeout=PATIENCE) for handle in handles]
        return [end.return_value for end in ends]
