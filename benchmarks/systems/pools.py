"""Process pools of the calling process: no server, no storage, nothing kept."""

from collections.abc import Sequence
from concurrent.futures import Executor, ProcessPoolExecutor

from benchmarks.systems.base import System
from benchmarks.systems.work import echo, noop


class StandardPool(System):
    name = "ProcessPoolExecutor.submit"
    settings = "the standard library's; keeps nothing"

    def start(self) -> None:
        self.pool = self.resources.enter_context(self.new_pool())
        self.noops(self.workers)

    def new_pool(self) -> Executor:
        return ProcessPoolExecutor(self.workers)

    def noops(self, count: int) -> None:
        futures = [self.pool.submit(noop, number) for number in range(count)]
        assert [future.result() for future in futures] == list(range(count))

    def call(self) -> None:
        assert self.pool.submit(noop, 1).result() == 1

    def echo(self, payloads: Sequence[bytes]) -> list[bytes]:
        return [future.result() for future in [self.pool.submit(echo, payload) for payload in payloads]]

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

    def noops(self, count: int) -> None:
        futures = [self.submit(noop, None, number) for number in range(count)]
        assert [future.result() for future in futures] == list(range(count))

    def call(self) -> None:
        assert self.submit(noop, None, 1).result() == 1

    def echo(self, payloads: Sequence[bytes]) -> list[bytes]:
        return [future.result() for future in [self.submit(echo, None, payload) for payload in payloads]]
