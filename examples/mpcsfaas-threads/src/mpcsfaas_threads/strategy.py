"""A strategy whose workers are threads: no process is started and nothing is copied, and nothing can be killed."""

import asyncio
import os
import platform
import socket
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from mpcsfaas.interfaces import Assignment, DispatchStrategy, PluginOptions, StrategyContext
from mpcsfaas.model import AttemptKey, AttemptResult, Failure, FailureKind, WorkerInfo
from mpcsfaas.worker.in_place import InPlaceRunner
from pydantic import Field


class ThreadsOptions(PluginOptions):
    """`--threads-workers` (or `--workers`, `-w`), `--threads-labels`, and the same in environment and settings file."""

    workers: int = Field(default=16, ge=1, le=1024, description="Tasks that run at the same time.")
    labels: tuple[str, ...] = Field(default=(), description="Labels of this machine; a task may demand some.")


class ThreadsStrategy(DispatchStrategy):
    """Runs tasks in threads of the dispatcher: for functions that wait for others, and that you trust."""

    name = "threads"
    Options = ThreadsOptions

    def __init__(self, options: ThreadsOptions) -> None:
        super().__init__(options)
        self._slots = options.workers
        self._labels = options.labels
        self._worker = f"{socket.gethostname()}-{os.getpid()}"
        self._threads = ThreadPoolExecutor(self._slots, thread_name_prefix="mpcsfaas-task")
        self._futures: dict[AttemptKey, Future[AttemptResult]] = {}
        self._unreported: set[AttemptKey] = set()
        self._stopped = False

    async def start(self, context: StrategyContext) -> None:
        """Note who is to be told. Threads start when they are needed."""
        self._context = context
        self._loop = asyncio.get_running_loop()
        self._runner = InPlaceRunner(context.serializers, self._worker)

    def capacity(self) -> int:
        """One attempt a thread: handing over costs so little that none need wait here."""
        return self._slots - len(self._futures)

    def labels(self) -> list[frozenset[str]]:
        """This machine's labels."""
        return [frozenset(self._labels)]

    def dispatch(self, assignments: Sequence[Assignment]) -> None:
        """Give each a thread."""
        for assignment in assignments:
            key = assignment.attempt.key
            self._unreported.add(key)
            self._futures[key] = future = self._threads.submit(self._run, assignment)
            future.add_done_callback(self._on_the_loop(key))

    def _run(self, assignment: Assignment) -> AttemptResult:
        """On a thread of our own. The time that an attempt may take counts from here."""
        if assignment.timeout is not None:
            self._loop.call_soon_threadsafe(
                self._loop.call_later, assignment.timeout, self._on_timeout, assignment.attempt.key, assignment.timeout
            )
        return self._runner.run(assignment)

    def _on_the_loop(self, key: AttemptKey) -> "Callable[[Future[AttemptResult]], None]":
        """Outcomes come on any thread, but the context is only for the event loop's own."""

        def on_end(future: "Future[AttemptResult]") -> None:
            if not self._stopped:
                self._loop.call_soon_threadsafe(self._on_end, key, future)

        return on_end

    def _on_end(self, key: AttemptKey, future: "Future[AttemptResult]") -> None:
        """Only now is the thread free, whatever was said of the attempt meanwhile."""
        del self._futures[key]
        if not future.cancelled():
            self._report(future.result())
        self._unreported.discard(key)
        if not self._stopped:
            self._context.capacity_changed()

    def _on_timeout(self, key: AttemptKey, seconds: float) -> None:
        """Say so in time. The function cannot be stopped: it goes on, and its thread is taken until it returns."""
        message = f"The attempt took longer than its timeout of {seconds:g} s; being a thread, it goes on."
        failure = Failure(FailureKind.TIMEOUT, message)
        self._report(AttemptResult(*key, failure=failure, worker=self._worker, finished_at=time.time()))

    def _report(self, result: AttemptResult) -> None:
        if result.key in self._unreported and not self._stopped:
            self._unreported.remove(result.key)
            self._context.report([result])

    def cancel(self, keys: Sequence[AttemptKey]) -> None:
        """What has not begun never will. What runs is not reported any more."""
        for key in keys:
            self._unreported.discard(key)
            if future := self._futures.get(key):
                future.cancel()

    def workers(self) -> list[WorkerInfo]:
        """This process, as one worker."""
        return [
            WorkerInfo(
                id=self._worker,
                host=socket.gethostname(),
                pid=os.getpid(),
                slots=self._slots,
                busy=len(self._futures),
                labels=self._labels,
                python_version=platform.python_version(),
                last_seen=time.time(),
            )
        ]

    async def stop(self) -> None:
        """Begin nothing more and report nothing more; threads end with what they run."""
        self._stopped = True
        self._threads.shutdown(wait=False, cancel_futures=True)
