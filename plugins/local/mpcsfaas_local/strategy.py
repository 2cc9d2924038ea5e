"""A thin strategy around the process pool that all workers share."""

import os
import platform
import socket
from collections.abc import Sequence
from time import time
from typing import ClassVar

from mpcsfaas.interfaces import Assignment, DispatchStrategy, PluginOptions, StrategyContext
from mpcsfaas.model import AttemptKey, WorkerInfo
from mpcsfaas.worker.pool import ProcessPool
from mpcsfaas_local.options import LocalOptions


class LocalStrategy(DispatchStrategy):
    """Runs every attempt in a child process of the dispatcher. It is its own one worker."""

    name: ClassVar[str] = "local"
    Options: ClassVar[type[PluginOptions]] = LocalOptions

    def __init__(self, options: LocalOptions) -> None:
        super().__init__(options)
        self._options = options
        self._worker_id = f"{socket.gethostname()}-{os.getpid()}"
        self._pool: ProcessPool | None = None

    async def start(self, context: StrategyContext) -> None:
        """Start the children; returns before they are warm, which tasks simply wait for."""
        self._pool = ProcessPool(
            self._options, context.serializers, context.report, context.capacity_changed, self._worker_id
        )
        await self._pool.start()

    def capacity(self) -> int:
        """What the pool has room for."""
        return self._pool.capacity() if self._pool else 0

    def labels(self) -> list[frozenset[str]]:
        """This machine's labels."""
        return [frozenset(self._options.labels)]

    def dispatch(self, assignments: Sequence[Assignment]) -> None:
        """Hand attempts to the pool."""
        if self._pool:
            self._pool.submit(assignments)

    def cancel(self, keys: Sequence[AttemptKey]) -> None:
        """Kill what runs of these."""
        if self._pool:
            self._pool.cancel(keys)

    def workers(self) -> list[WorkerInfo]:
        """This process as one worker."""
        return [
            WorkerInfo(
                id=self._worker_id,
                host=socket.gethostname(),
                pid=os.getpid(),
                slots=self._options.workers,
                busy=self._pool.busy() if self._pool else 0,
                labels=self._options.labels,
                python_version=platform.python_version(),
                last_seen=time(),
            )
        ]

    async def stop(self) -> None:
        """Kill the children."""
        if self._pool:
            await self._pool.stop()
            self._pool = None
