"""What works behind an `Executor`: one thread that sends tasks, one that receives results."""

import atexit
import logging
import os
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import BrokenExecutor
from enum import Enum, auto
from queue import SimpleQueue
from typing import Any, NamedTuple

from mpcsfaas.client import operations
from mpcsfaas.client.client import Client
from mpcsfaas.client.coalescer import Coalescer
from mpcsfaas.client.connection import ResultStream
from mpcsfaas.client.errors import GatewayError, GatewayUnavailable
from mpcsfaas.client.following import Follower
from mpcsfaas.client.futures import PendingFutures, TaskFuture
from mpcsfaas.client.outcome import Outcome, outcome_of
from mpcsfaas.client.records import ResultItem
from mpcsfaas.client.session import NewTask, Session
from mpcsfaas.model import State

logger = logging.getLogger(__name__)


class _Cancellation(NamedTuple):
    task_id: str


class _Phase(Enum):
    OPEN = auto()
    CLOSING = auto()
    """No more tasks are taken; those that were are seen to their end."""
    CLOSED = auto()


_FINISH = None
"""Tells the sender that nothing comes after."""


class Delivery:
    """Sees tasks to their end. Threads run from the first task until `close` was called and all have ended.

    It does not know its `Executor`, so that one that is forgotten can be collected, and this closed.
    """

    def __init__(self, client: Client, session: Session, group: str, owns_client: bool) -> None:
        self._client = client
        self._connection = client.connection
        self._session = session
        self._group = group
        self._owns_client = owns_client
        self._pid = os.getpid()
        self._pending = PendingFutures()
        self._outbox: SimpleQueue[NewTask | _Cancellation | None] = SimpleQueue()
        self._coalescer = Coalescer()
        self._finished = False
        """True once the sender has been told that nothing comes after."""
        self._stream = self._new_stream(0)
        self._threads: list[threading.Thread] = []
        self._phase = _Phase.OPEN
        self._broken: BaseException | None = None
        self._lock = threading.Lock()

    # Called by the executor

    def new_future(self, task_id: str, name: str = "") -> TaskFuture[Any]:
        """A future that cancels through us."""
        return TaskFuture(task_id, self, name)

    @property
    def is_open(self) -> bool:
        """True while tasks are taken."""
        return self._phase is _Phase.OPEN and self._broken is None

    def submit(self, task: NewTask) -> TaskFuture[Any]:
        """Take over a task. Raises `RuntimeError` after `close`, or in a forked process, or `BrokenExecutor`."""
        future = self.new_future(task.id, task.function.name)
        with self._lock:
            self._check_open()
            self._pending.add(future)
            self._outbox.put(task)
            if not self._threads:
                self._start()
        return future

    def adopt(self, futures: Iterable[TaskFuture[Any]]) -> None:
        """Wait for tasks that the gateway has already. To be called before anything else."""
        with self._lock:
            for future in futures:
                future.accepted = True
                self._pending.add(future)
            self._start()

    def close(self) -> None:
        """Take no more tasks; see to the end of those that are here. Does not wait. Idempotent."""
        if self._pid != os.getpid():
            return
        with self._lock:
            if self._phase is _Phase.OPEN:
                self._phase = _Phase.CLOSING
        self._finish_if_drained()

    def cancel(self, task_id: str) -> bool:
        """Have the platform told to cancel a task. True if it had not ended; then its future is the caller's to end."""
        if self._pid != os.getpid() or self._pending.take(task_id) is None:
            return False
        self._outbox.put(_Cancellation(task_id))
        self._finish_if_drained()
        return True

    def check_process(self) -> None:
        """Raises `RuntimeError` in a forked process."""
        if self._pid != os.getpid():
            raise RuntimeError(
                f"This executor and its futures belong to process {self._pid}, which forked this one."
                " Make another executor here; ask for a task by client.result(future.task_id)."
            )

    def cancel_all(self) -> None:
        """Cancel every task that has not ended."""
        for future in self._pending.all():
            future.cancel()

    def join(self) -> None:
        """Wait for the threads; not from one of them, that is, not from a future's callback."""
        if self._pid != os.getpid() or threading.current_thread() in self._threads:
            return
        for thread in self._threads:
            thread.join()

    # Life

    def _check_open(self) -> None:
        if self._broken is not None:
            raise BrokenExecutor("The executor broke down, see the cause. Make another one.") from self._broken
        if self._phase is not _Phase.OPEN:
            raise RuntimeError("cannot schedule new futures after shutdown")

    def _start(self) -> None:
        for name, loop in (("send", self._send), ("receive", self._receive)):
            thread = threading.Thread(target=self._guard, args=(loop,), name=f"mpcsfaas-{name}", daemon=True)
            self._threads.append(thread)
            thread.start()
        atexit.register(self._see_to_the_end)

    def _see_to_the_end(self) -> None:
        self.close()
        self.join()

    def _guard(self, loop: Callable[[], None]) -> None:
        """Whatever happens in a thread, no future is left hanging."""
        try:
            loop()
        except BaseException as error:
            logger.exception("The executor of group %s broke down", self._group)
            self._broken = error
            self._end_all(BrokenExecutor(f"The executor broke down: {error!r}. Tasks may go on; see Executor.attach."))
            self.close()
            self._let_go()

    def _finish_if_drained(self) -> None:
        with self._lock:
            if self._phase is not _Phase.CLOSING or self._pending:
                return
            self._phase = _Phase.CLOSED
        self._outbox.put(_FINISH)
        self._stream.stop()
        if not self._threads:
            self._let_go()

    def _let_go(self) -> None:
        atexit.unregister(self._see_to_the_end)
        if self._owns_client:
            self._client.close()

    # Sending

    def _send(self) -> None:
        while not self._finished or self._coalescer:
            self._take_messages(wait=not self._coalescer)
            batch = self._coalescer.next_batch()
            if batch.tasks:
                self._send_tasks(batch.tasks)
            if batch.cancellations:
                self._send_cancellations(batch.cancellations)
            self._finish_if_drained()

    def _take_messages(self, wait: bool) -> None:
        """Move to the coalescer what is in the outbox; `wait` for at least one message."""
        for _ in range(max(self._outbox.qsize(), int(wait))):
            match self._outbox.get():
                case NewTask() as task:
                    self._coalescer.add(task)
                case _Cancellation(task_id):
                    self._coalescer.cancel(task_id)
                case _:
                    self._finished = True

    def _send_tasks(self, tasks: list[NewTask]) -> None:
        try:
            verdicts = self._connection.perform(operations.submit_batch(self._session, tasks))
        except GatewayUnavailable as error:
            self._take_messages(wait=False)
            self._end_tasks([*tasks, *self._coalescer.take_all()], self._given_up(error))
        except Exception as error:
            self._end_tasks(tasks, error)
        else:
            self._answered(tasks, verdicts)

    def _answered(self, tasks: list[NewTask], verdicts: list[operations.Verdict]) -> None:
        for task, verdict in zip(tasks, verdicts, strict=True):
            if isinstance(verdict, GatewayError):
                self._end(task.id, Outcome(error=verdict))
            else:
                self._pending.mark_accepted(task.id)

    def _send_cancellations(self, task_ids: list[str]) -> None:
        try:
            self._connection.perform(operations.cancel_many(self._session, task_ids))
        except GatewayError as error:
            logger.warning("%d tasks of group %s could not be cancelled: %s", len(task_ids), self._group, error)

    # Receiving

    def _receive(self) -> None:
        while self._phase is not _Phase.CLOSED:
            self._receive_until_trouble()
        self._threads[0].join()
        self._let_go()

    def _receive_until_trouble(self) -> None:
        """Follow the stream. When it cannot be had for too long, all who wait for it are told."""
        interruptions = 0
        try:
            for items in self._stream.turns():
                self._received(items)
                if self._stream.interruptions > interruptions:
                    interruptions = self._stream.interruptions
                    self._end_lost()
        except GatewayUnavailable as error:
            self._end_all(self._given_up(error))
            with self._lock:
                self._stream = self._new_stream(self._stream.after)

    def _received(self, items: list[ResultItem]) -> None:
        for item in items:
            future = self._pending.take(item.id)
            if future is None:
                continue
            if item.state is State.CANCELLED:
                future.mark_cancelled()
            else:
                future.end(outcome_of(item, self._session.registry.payloads))
        self._finish_if_drained()

    def _end_lost(self) -> None:
        """After an interruption: some tasks may be gone, with their storage or because their results expired."""
        accepted = self._pending.accepted()
        if accepted:
            lost = self._connection.perform(operations.lost_tasks(self._session, self._group, accepted))
            for task_id, error in lost.items():
                self._end(task_id, Outcome(error=error))
            self._finish_if_drained()

    def _new_stream(self, after: int) -> ResultStream:
        return ResultStream(self._connection, Follower(self._group, self._session.timeout, after))

    # Ending

    def _given_up(self, error: GatewayUnavailable) -> GatewayUnavailable:
        hint = f"What it has accepted goes on; take it up again with Executor.attach({self._group!r})."
        return GatewayUnavailable(f"{error} {hint}", error.status)

    def _end(self, task_id: str, outcome: Outcome) -> None:
        future = self._pending.take(task_id)
        if future is not None:
            future.end(outcome)

    def _end_tasks(self, tasks: Iterable[NewTask], error: Exception) -> None:
        for task in tasks:
            self._end(task.id, Outcome(error=error))

    def _end_all(self, error: Exception) -> None:
        for future in self._pending.take_all():
            future.end(Outcome(error=error))
        self._finish_if_drained()
