"""A small strategy that keeps the contract, for others to break."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from mpcsfaas.interfaces import Assignment, DispatchStrategy, PluginOptions, StrategyContext
from mpcsfaas.model import AttemptKey, AttemptResult, WorkerInfo
from mpcsfaas.worker.in_place import InPlaceRunner

SLOTS = 2


class Threads(DispatchStrategy):
    name = "threads"

    def __init__(self, options: PluginOptions) -> None:
        super().__init__(options)
        self.outstanding = 0
        self.stopped = False
        self.executor = ThreadPoolExecutor(SLOTS)

    async def start(self, context: StrategyContext) -> None:
        self.context = context
        self.runner = InPlaceRunner(context.serializers)
        self.loop = asyncio.get_running_loop()

    def capacity(self) -> int:
        return SLOTS - self.outstanding

    def labels(self) -> list[frozenset[str]]:
        return [frozenset()]

    def dispatch(self, assignments: Sequence[Assignment]) -> None:
        self.outstanding += len(assignments)
        for assignment in assignments:
            self.hand_over(assignment)

    def hand_over(self, assignment: Assignment) -> None:
        future = self.executor.submit(self.runner.run, assignment)
        future.add_done_callback(lambda done: self.loop.call_soon_threadsafe(self.done, done.result()))

    def done(self, result: AttemptResult) -> None:
        self.outstanding -= 1
        if not self.stopped:
            self.context.report([result])
            self.context.capacity_changed()

    def cancel(self, keys: Sequence[AttemptKey]) -> None:
        """A thread cannot be killed."""

    def workers(self) -> list[WorkerInfo]:
        return [WorkerInfo("threads", "here", 1, slots=SLOTS, busy=min(SLOTS, self.outstanding))]

    async def stop(self) -> None:
        self.stopped = True
        self.executor.shutdown(wait=False, cancel_futures=True)
