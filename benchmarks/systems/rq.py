"""RQ."""

from collections.abc import Iterable
from typing import Any

from benchmarks.systems.redis_queue import PATIENCE, URL, RedisQueue
from benchmarks.systems.work import Function
from redis import Redis
from rq import Queue


class Rq(RedisQueue):
    name = "RQ"
    settings = "SimpleWorker, which does not fork for each job as the default does"
    distributions = ("rq", "redis")

    def start(self) -> None:
        self.queue = Queue(connection=Redis.from_url(URL))
        super().start()

    def start_workers(self) -> None:
        for number in range(self.workers):
            kind = ("--worker-class", "rq.worker.SimpleWorker", "--quiet")
            self.run(f"worker {number}", "rq", "worker", "--url", URL, *kind)

    def results(self, function: Function, arguments: Iterable[Any]) -> list[Any]:
        jobs = [self.queue.enqueue(function, argument) for argument in arguments]
        return [job.latest_result(timeout=PATIENCE).return_value for job in jobs]
