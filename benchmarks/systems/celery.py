"""Celery: the adapter, and what its workers import."""

import os
from collections.abc import Iterable
from typing import Any

from benchmarks.systems import work
from benchmarks.systems.redis_queue import PATIENCE, URL, RedisQueue
from benchmarks.systems.work import Function
from celery import Celery

app = Celery("benchmark", broker=URL, backend=URL)
app.conf.update(
    accept_content=["pickle"],
    result_serializer="pickle",
    task_serializer="pickle",
    worker_disable_rate_limits=True,
    worker_prefetch_multiplier=64,
)
TASKS = {function: app.task(name=function.__name__)(function) for function in work.FUNCTIONS}


class CeleryPrefork(RedisQueue):
    name = "Celery"
    settings = "broker and results in Redis, pickle; prefork, prefetch 64, no gossip, mingle, heartbeat or rate limits"
    distributions = ("celery", "kombu", "redis")

    def start_workers(self) -> None:
        os.environ["C_FORCE_ROOT"] = "1"  # Else it refuses to unpickle for root, as which containers often run.
        pool = ("--pool", "prefork", "--concurrency", str(self.workers), "--loglevel", "warning")
        quiet = ("--without-gossip", "--without-mingle", "--without-heartbeat")
        self.run("worker", "celery", "--app", f"{__name__}:app", "worker", *pool, *quiet)

    def results(self, function: Function, arguments: Iterable[Any]) -> list[Any]:
        promises = [TASKS[function].delay(argument) for argument in arguments]
        return [promise.get(timeout=PATIENCE) for promise in promises]
