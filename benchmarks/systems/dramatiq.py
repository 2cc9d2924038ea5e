"""Dramatiq: the adapter, and what its workers import."""

from collections.abc import Iterable
from typing import Any

import dramatiq
from benchmarks.systems import work
from benchmarks.systems.redis_queue import PATIENCE, URL, RedisQueue
from benchmarks.systems.work import Function
from dramatiq.brokers.redis import RedisBroker
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend

dramatiq.set_encoder(dramatiq.PickleEncoder())  # Its JSON cannot carry bytes.
broker = RedisBroker(url=URL)
broker.add_middleware(Results(backend=RedisBackend(url=URL)))
dramatiq.set_broker(broker)
TASKS = {function: dramatiq.actor(function, store_results=True) for function in work.FUNCTIONS}


class Dramatiq(RedisQueue):
    name = "Dramatiq"
    settings = "RedisBroker, Results in Redis, PickleEncoder; 8 threads in each process, which is its default"
    distributions = ("dramatiq", "redis")

    def start_workers(self) -> None:
        self.run("worker", "dramatiq", __name__, "--processes", str(self.workers), "--threads", "8")

    def results(self, function: Function, arguments: Iterable[Any]) -> list[Any]:
        messages = [TASKS[function].send(argument) for argument in arguments]
        return [message.get_result(block=True, timeout=PATIENCE * 1000) for message in messages]
