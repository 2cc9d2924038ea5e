"""Dask."""

import os
from collections.abc import Iterable
from typing import Any

from benchmarks.processes import end, program, start
from benchmarks.systems import work
from benchmarks.systems.base import Mapper
from benchmarks.systems.work import Function
from distributed import Client

from mpcsfaas.testing.platform import free_port

PATIENCE = 60


class Dask(Mapper):
    name = "Dask"
    settings = (
        "scheduler in a process of its own, 1 thread in each worker, no nanny or dashboard; Client.map and gather"
    )
    distributions = ("distributed", "dask", "tornado")

    def start(self) -> None:
        url = f"tcp://127.0.0.1:{free_port()}"
        self.parts: dict[str, int] = {}
        os.environ["DASK_TEMPORARY_DIRECTORY"] = str(self.folder)
        self.run("scheduler", "--host", url)
        for _ in range(self.workers):
            self.run("worker", url, "--host", "127.0.0.1", "--nthreads", "1", "--no-nanny")
        self.client = self.resources.enter_context(Client(url, timeout=PATIENCE))
        self.client.wait_for_workers(self.workers, timeout=PATIENCE)

    def run(self, part: str, *arguments: str) -> None:
        """Run a part of Dask."""
        process = start(
            [program("dask"), part, *arguments, "--no-dashboard", "--dashboard-address", "127.0.0.1:0"],
            self.folder / part,
        )
        self.resources.callback(end, process)
        self.parts[f"{part} {len(self.parts)}"] = process.pid

    def results(self, function: Function, arguments: Iterable[Any]) -> list[Any]:
        gathered: list[Any] = self.client.gather(self.client.map(function, arguments, pure=False))
        return gathered

    def call(self) -> None:
        assert self.client.submit(work.noop, 1, pure=False).result() == 1

    def processes(self) -> dict[str, int]:
        return self.parts
