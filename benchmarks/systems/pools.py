"""Process pools of the calling process: no server, no storage, nothing kept."""

from collections.abc import Iterable
from concurrent.futures import Executor, ProcessPoolExecutor
from typing import Any

from benchmarks.systems.base import Mapper
from benchmarks.systems.work import Function


class StandardPool(Mapper):
    name = "ProcessPoolExecutor.submit"
    settings = "the standard library's; keeps nothing"

    def start(self) -> None:
        self.pool = self.resources.enter_context(self.new_pool())
        self.noops(self.workers)

    def new_pool(self) -> Executor:
        return ProcessPoolExecutor(self.workers)

    def results(self, function: Function, arguments: Iterable[Any]) -> list[Any]:
        futures = [self.pool.submit(function, argument) for argument in arguments]
        return [future.result() for future in futures]

    def processes(self) -> dict[str, int]:
        return {}


class Loky(StandardPool):
    name = "loky"
    settings = "get_reusable_executor's executor; keeps nothing"
    distributions = ("loky",)

    def new_pool(self) -> Executor:
        from loky import ProcessPoolExecutor as LokyExecutor

        executor: Executor = LokyExecutor(self.workers)
        return executor


class Pebble(StandardPool):
    name = "pebble"
    settings = "ProcessPool.submit; keeps nothing"
    distributions = ("pebble",)

    def start(self) -> None:
        from pebble import ProcessPool

        pool = ProcessPool(self.workers)
        self.resources.callback(pool.join)
        self.resources.callback(pool.close)
        self.submit = pool.submit
        self.noops(self.workers)

    def results(self, function: Function, arguments: Iterable[Any]) -> list[Any]:
        futures = [self.submit(function, None, argument) for argument in arguments]
        return [future.result() for future in futures]
