"""huey: the adapters, and what their workers import."""

from collections.abc import Iterable
from typing import Any, ClassVar

from benchmarks.systems import work
from benchmarks.systems.redis_queue import PATIENCE, URL, RedisQueue
from benchmarks.systems.work import Function
from huey import RedisHuey

QUEUES = {
    "polling": RedisHuey("polling", url=URL),
    "notifying": RedisHuey("notifying", url=URL, notify_result=True),
}
polling, notifying = QUEUES.values()
TASKS = {
    (name, function): queue.task(name=function.__name__)(function)
    for name, queue in QUEUES.items()
    for function in work.FUNCTIONS
}


class Huey(RedisQueue):
    name = "huey"
    settings = "RedisHuey; huey_consumer -k process -q"
    distributions = ("huey", "redis")
    queue: ClassVar[str] = "polling"

    def start_workers(self) -> None:
        kind = ("-k", "process", "-w", str(self.workers), "-q")
        self.run("worker", "huey_consumer", f"{__name__}.{self.queue}", *kind)

    def results(self, function: Function, arguments: Iterable[Any]) -> list[Any]:
        handles = [TASKS[self.queue, function](argument) for argument in arguments]
        return [handle.get(blocking=True, timeout=PATIENCE) for handle in handles]


class HueyNotifying(Huey):
    name = "huey, notify_result"
    settings = "as huey, but results are waited for rather than looked for every 50 ms"
    queue = "notifying"
