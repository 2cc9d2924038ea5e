"""The dispatcher's shell: loops that move attempts between storage, ledger and strategy."""

import asyncio
import logging
import os
import random
import socket
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from time import time
from typing import Protocol, TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_random_exponential

from mpcsfaas.dispatcher.functions import FunctionCache
from mpcsfaas.dispatcher.ledger import Ledger
from mpcsfaas.dispatcher.outcomes import failed
from mpcsfaas.dispatcher.parents import read_legacies
from mpcsfaas.errors import StorageUnavailable
from mpcsfaas.interfaces import (
    Assignment,
    DispatchStrategy,
    FailureDetector,
    Serializer,
    Storage,
    StrategyContext,
)
from mpcsfaas.model import Attempt, AttemptKey, AttemptResult, DispatcherInfo, Failure, FailureKind, State, Transition

CLAIM_BATCH = 1024
COMMIT_BATCH = 1024
HOUSEKEEPING_INTERVAL = 0.5
EXPIRE_BATCH = 1000
REPORT_INTERVAL = 1.0
REPORT_LIFETIME = 5.0

log = logging.getLogger(__name__)
T = TypeVar("T")


class Observer(Protocol):
    """Who is told what happened, after it is durable. Must not raise and must return quickly."""

    def tasks_changed(self, task_ids: list[str], state: State) -> None:
        """These tasks reached a state."""

    def workers_changed(self, dispatcher: DispatcherInfo) -> None:
        """A worker came, went or changed."""


@dataclass(frozen=True, slots=True)
class DispatcherSettings:
    """Durations in seconds."""

    lease: float = 10.0
    """How long an attempt stays ours without renewal: the longest wait after this dispatcher's sudden death."""
    deadline: float | None = None
    """Limit, from its acceptance, of a task that brings none of its own."""
    drain_timeout: float = 30.0
    """How long `drain` waits for what is running before it gives it back to the queue."""


class Dispatcher:
    """Claims tasks while its strategy has room, and commits what becomes of them.

    Run it with `run()`; end it with `drain()` (finishes what is running) or `stop()` (gives back what is running).
    Storage and strategy are the caller's to create; the storage is the caller's to open and close.
    """

    def __init__(
        self,
        storage: Storage,
        strategy: DispatchStrategy,
        serializers: Sequence[Serializer],
        detector: Callable[[], FailureDetector],
        settings: DispatcherSettings | None = None,
        observer: Observer | None = None,
    ) -> None:
        self.id = str(uuid.uuid4())
        self._storage = storage
        self._strategy = strategy
        self._serializers = serializers
        self._detector = detector
        self._settings = settings or DispatcherSettings()
        self._observer = observer
        self._ledger = Ledger(self._settings.deadline)
        self._functions = FunctionCache(storage)
        self._started_at = time()
        self._roster: list[tuple[str, int]] = []
        self._work = asyncio.Event()
        self._barren: set[frozenset[str]] = set()
        """Sets of labels for which storage has no task, as far as we have heard."""
        self._results = asyncio.Event()
        self._settled = asyncio.Event()
        self._stopping = asyncio.Event()
        self._claiming = False
        self._draining = False
        self._fenced = 0
        self.serving = asyncio.Event()
        """Set once the strategy has started and storage knows of this dispatcher."""

    async def run(self) -> None:
        """Serve until `drain` or `stop`. Raises what the strategy raises when it cannot start."""
        context = StrategyContext(
            self.id, self._serializers, self._report, self._work.set, self._adopt, self._detector, self._give_back
        )
        await self._strategy.start(context)
        try:
            await self._announce()
            self.serving.set()
            await self._run_loops()
            await self._leave()
        finally:
            await self._strategy.stop()

    async def drain(self) -> None:
        """Claim nothing more, wait for what is running (at most `drain_timeout`), then stop."""
        self._draining = True
        self._work.set()
        try:
            async with asyncio.timeout(self._settings.drain_timeout):
                while self._is_at_work() and not self._stopping.is_set():
                    self._settled.clear()
                    await self._settled.wait()
        except TimeoutError:
            log.warning("%d tasks still run after the drain timeout; they go back to the queue.", self._ledger.running)
        self.stop()

    def _is_at_work(self) -> bool:
        """Whether something runs or is not committed yet. A claim that is out may bring more, which would be lost."""
        is_deserted = self._strategy.worker_link is not None and not self._strategy.workers()
        runs = 0 if is_deserted else self._ledger.running
        return self._claiming or runs + self._ledger.uncommitted > 0

    def stop(self) -> None:
        """Give back what is running and end `run`. Idempotent."""
        self._stopping.set()
        self._settled.set()

    # The loops

    async def _run_loops(self) -> None:
        loops = [
            self._claim_loop(),
            self._commit_loop(),
            self._watch_loop(),
            _every(self._settings.lease / 3, self._renew),
            _every(HOUSEKEEPING_INTERVAL, self._housekeep),
            _every(HOUSEKEEPING_INTERVAL, self._expire),
            _every(REPORT_INTERVAL, self._announce),
        ]
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(loop) for loop in loops]
            await self._stopping.wait()
            for task in tasks:
                task.cancel()

    async def _claim_loop(self) -> None:
        while True:
            self._work.clear()
            room = 0 if self._draining else min(self._room(), CLAIM_BATCH)
            labels = self._strategy.labels()
            if room > 0 and not self._barren.issuperset(labels):
                self._claiming = True
                await self._claim(room, labels)
                self._claiming = False
                self._settled.set()
            else:
                await self._work.wait()

    def _room(self) -> int:
        """The strategy's capacity, less what is yet to be committed: all of it would run again if we died now."""
        return self._strategy.capacity() - self._ledger.uncommitted

    async def _claim(self, room: int, labels: Sequence[frozenset[str]]) -> None:
        self._barren.update(labels)  # Before the call: what is heard of meanwhile may come too late for it.
        lease = self._settings.lease
        attempts = await _until_available(lambda: self._storage.claim(self.id, room, lease, labels))
        if len(attempts) == room:
            self._barren.clear()
        if attempts:
            await self._dispatch(attempts)

    async def _dispatch(self, attempts: Sequence[Attempt]) -> None:
        admitted = self._ledger.take(attempts, self._storage.clock())
        self._results.set()
        wanted = {attempt.task.function_id for attempt, _ in admitted}
        functions = await _until_available(lambda: self._functions.get(wanted))
        claimed = [attempt for attempt, _ in admitted]
        legacies = await _until_available(lambda: read_legacies(self._storage, self._functions, claimed))
        if legacies.failures:
            self._report(legacies.failures)
        still_held = [(attempt, limit) for attempt, limit in admitted if self._ledger.is_running(attempt.key)]
        self._strategy.dispatch(
            [
                Assignment(attempt, functions[attempt.task.function_id], limit, legacies.results.get(attempt.key, ()))
                for attempt, limit in still_held
                if attempt.task.function_id in functions
            ]
        )
        self._fail_without_function([attempt for attempt, _ in still_held if attempt.task.function_id not in functions])
        self._observe([attempt.task.id for attempt, _ in still_held], State.RUNNING)

    async def _commit_loop(self) -> None:
        while True:
            await self._results.wait()
            self._results.clear()
            await self._commit()

    async def _commit(self) -> None:
        while transitions := self._ledger.pending(COMMIT_BATCH):
            applied = await _until_available(partial(self._storage.finish, transitions))
            self._fenced += applied.count(False)
            self._ledger.settle(transitions)
            self._strategy.settled([transition.key for transition in transitions])
            self._settled.set()
            self._work.set()
            self._observe_transitions(transitions, applied)

    async def _watch_loop(self) -> None:
        while True:
            await _until_available(lambda: self._storage.wait_for_work(self.id, REPORT_INTERVAL))
            self._barren.clear()
            self._work.set()
            if len(self._ledger):
                self._drop(await _until_available(lambda: self._storage.take_cancellations(self.id)))

    # What happens now and then

    async def _renew(self) -> None:
        keys = self._ledger.keys()
        if keys:
            self._drop(await self._storage.renew(self.id, keys, self._settings.lease))

    async def _housekeep(self) -> None:
        lease, now = self._settings.lease, self._storage.clock()
        self._ledger.take_lapsed(await self._storage.claim_lapsed(self.id, CLAIM_BATCH, lease), now)
        late = await self._storage.claim_overdue(self.id, CLAIM_BATCH, lease, self._settings.deadline)
        self._ledger.take_overdue(late, now)
        if self._ledger.pending(1):
            self._results.set()

    async def _expire(self) -> None:
        """All that there is: tasks may end faster than one call every now and then could drop them."""
        while await self._storage.expire(EXPIRE_BATCH) == EXPIRE_BATCH:
            pass

    async def _announce(self) -> None:
        info = self.info()
        await self._storage.report_dispatcher(info)
        if self._observer and _roster(info) != self._roster:
            self._observer.workers_changed(info)
        self._roster = _roster(info)
        self._settled.set()  # Without workers, there may be nothing left to wait for.

    def info(self) -> DispatcherInfo:
        """This dispatcher's report of itself."""
        rejections = self._strategy.rejections()
        return DispatcherInfo(
            id=self.id,
            host=socket.gethostname(),
            pid=os.getpid(),
            strategy=self._strategy.name,
            started_at=self._started_at,
            expires_at=self._storage.clock() + REPORT_LIFETIME,
            workers=tuple(self._strategy.workers()),
            fenced=self._fenced,
            malformed=rejections.malformed,
            refused=rejections.refused,
        )

    async def _leave(self) -> None:
        """Stop what runs, give it back, and say goodbye; if storage is away, the lease does it instead."""
        self._strategy.cancel(self._ledger.give_back(self._ledger.keys(), self._storage.clock()))
        try:
            while transitions := self._ledger.pending(COMMIT_BATCH):
                await self._storage.finish(transitions)
                self._ledger.settle(transitions)
                self._strategy.settled([transition.key for transition in transitions])
            await self._storage.remove_dispatcher(self.id)
        except StorageUnavailable as error:
            log.warning(
                "Storage is away at shutdown (%s); unfinished tasks come back when their lease runs out.", error
            )

    # Callbacks of the strategy, and small helpers

    def _report(self, results: Sequence[AttemptResult]) -> None:
        unwanted = self._ledger.report(results, self._storage.clock(), random.random())
        if unwanted:
            self._fenced += len(unwanted)
            self._strategy.settled(unwanted)
        self._results.set()
        self._work.set()

    def _give_back(self, keys: Sequence[AttemptKey]) -> None:
        self._ledger.give_back(keys, self._storage.clock())
        self._results.set()

    async def _adopt(self, keys: Sequence[AttemptKey]) -> set[AttemptKey]:
        attempts = await _until_available(lambda: self._storage.adopt(self.id, keys, self._settings.lease))
        self._ledger.take(attempts, self._storage.clock())
        ours = {attempt.key for attempt in attempts if self._ledger.is_running(attempt.key)}
        self._fenced += len(keys) - len(ours)
        return ours

    def _fail_without_function(self, attempts: Sequence[Attempt]) -> None:
        message = "The function's code is no longer in storage. Register it again and execute it anew."
        failure = Failure(FailureKind.INVALID_PAYLOAD, message)
        if attempts:
            self._report([failed(attempt, failure, self._storage.clock()) for attempt in attempts])

    def _drop(self, keys: Sequence[AttemptKey]) -> None:
        stopped = self._ledger.drop(keys)
        if stopped:
            self._strategy.cancel(stopped)
            self._settled.set()

    def _observe(self, task_ids: list[str], state: State) -> None:
        if self._observer and task_ids:
            self._observer.tasks_changed(task_ids, state)

    def _observe_transitions(self, transitions: Sequence[Transition], applied: Sequence[bool]) -> None:
        if self._observer is None:
            return
        for state in (State.COMPLETED, State.FAILED, State.QUEUED):
            ids = [t.key.task_id for t, done in zip(transitions, applied, strict=True) if done and t.to is state]
            self._observe(ids, state)


def _roster(info: DispatcherInfo) -> list[tuple[str, int]]:
    """Who is there with how many slots, without what changes all the time."""
    return [(worker.id, worker.slots) for worker in info.workers]


async def _every(interval: float, action: Callable[[], Awaitable[None]]) -> None:
    """Do `action` now and every `interval` seconds; storage that is away is logged, and tried again next time."""
    while True:
        try:
            await action()
        except StorageUnavailable as error:
            log.warning("Storage is away: %s", error)
        await asyncio.sleep(interval)


async def _until_available(call: Callable[[], Awaitable[T]]) -> T:
    """Repeat `call` for as long as storage is away, with growing pauses."""
    try:
        return await call()
    except StorageUnavailable:
        return await _patiently(call)


async def _patiently(call: Callable[[], Awaitable[T]]) -> T:
    async def once() -> T:
        return await call()

    retrying = AsyncRetrying(
        retry=retry_if_exception_type(StorageUnavailable),
        wait=wait_random_exponential(multiplier=0.1, max=5.0),
        before_sleep=_log_absence,
    )
    return await retrying(once)


def _log_absence(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    log.warning("Storage is away: %s Trying again in %.1f s.", error, state.upcoming_sleep)
