"""Parsl's HighThroughputExecutor."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar

import parsl
from benchmarks.processes import ROOT, program
from benchmarks.systems import work
from benchmarks.systems.base import Mapper
from benchmarks.systems.work import Function
from parsl.executors import HighThroughputExecutor
from parsl.providers import LocalProvider


class Parsl(Mapper):
    name = "Parsl HTEX"
    settings = "python_app, one local block, no encryption"
    distributions = ("parsl", "pyzmq")
    prefetch: ClassVar[int] = 0

    def start(self) -> None:
        # It looks for its own programs there, and its workers for the function's module.
        os.environ["PATH"] = f"{Path(program('python')).parent}:{os.environ['PATH']}"
        os.environ["PYTHONPATH"] = str(ROOT)
        self.provider = LocalProvider(init_blocks=1, min_blocks=1, max_blocks=1)
        self.executor = self._executor()
        config = parsl.Config(
            executors=[self.executor], run_dir=str(self.folder), usage_tracking=0, initialize_logging=False,
            strategy="none",
        )  # fmt: skip
        self.resources.enter_context(parsl.load(config))
        self.tasks = {function: parsl.python_app(function) for function in work.FUNCTIONS}
        self.noops(self.workers)

    def _executor(self) -> Any:
        return HighThroughputExecutor(
            address="127.0.0.1", loopback_address="127.0.0.1", encrypted=False, provider=self.provider,
            max_workers_per_node=self.workers, cores_per_worker=1, prefetch_capacity=self.prefetch,
        )  # fmt: skip

    def results(self, function: Function, arguments: Iterable[Any]) -> list[Any]:
        futures = [self.tasks[function](argument) for argument in arguments]
        return [future.result() for future in futures]

    def processes(self) -> dict[str, int]:
        (block,) = self.provider.resources.values()
        return {"interchange": self.executor.interchange_proc.pid, "workers": int(block["remote_pid"])}


class ParslPrefetch(Parsl):
    name = "Parsl HTEX, prefetch 100"
    prefetch = 100
