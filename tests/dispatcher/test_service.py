"""The dispatcher's loops over a real storage, with a strategy that the test plays."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import ClassVar

import pytest

from mpcsfaas.dispatcher import Dispatcher, DispatcherSettings, service
from mpcsfaas.errors import StorageUnavailable
from mpcsfaas.interfaces import Assignment, DispatchStrategy, PluginOptions, Rejections, StrategyContext, WorkerLink
from mpcsfaas.interfaces.storage import StorageOptions
from mpcsfaas.model import (
    Attempt,
    AttemptKey,
    AttemptResult,
    DispatcherInfo,
    Failure,
    FailureKind,
    Function,
    State,
    Task,
    TaskOptions,
    TaskRecord,
    Transition,
    WorkerInfo,
    new_task_id,
)
from mpcsfaas.plugins import Plugins
from mpcsfaas_storage_memory import MemoryStorage

FUNCTION = Function("f", "f", b"code", "json", 0.0)


class PlayedStrategy(DispatchStrategy):
    """Takes what it is given, and says what the test tells it to."""

    name: ClassVar[str] = "played"
    worker_link: ClassVar[type[WorkerLink] | None] = WorkerLink

    def __init__(self, slots: int = 4) -> None:
        super().__init__(PluginOptions())
        self.slots = slots
        self.held: dict[AttemptKey, Assignment] = {}
        self.cancelled: list[AttemptKey] = []
        self.stopped = False
        self.most_held = 0
        self.forgotten: list[AttemptKey] = []
        self.is_deserted = False

    async def start(self, context: StrategyContext) -> None:
        self.context = context

    def capacity(self) -> int:
        return self.slots - len(self.held)

    def rejections(self) -> Rejections:
        return Rejections(malformed=3, refused=4)

    def labels(self) -> list[frozenset[str]]:
        return [frozenset({"gpu"})]

    def dispatch(self, assignments: Sequence[Assignment]) -> None:
        self.held |= {assignment.attempt.key: assignment for assignment in assignments}
        self.most_held = max(self.most_held, len(self.held))

    def cancel(self, keys: Sequence[AttemptKey]) -> None:
        self.cancelled += keys
        for key in keys:
            self.held.pop(key, None)

    def settled(self, keys: Sequence[AttemptKey]) -> None:
        self.forgotten += keys

    def workers(self) -> list[WorkerInfo]:
        return [] if self.is_deserted else [WorkerInfo("w", "here", 1, self.slots, len(self.held))]

    async def stop(self) -> None:
        self.stopped = True

    def finish(self, key: AttemptKey, failure: Failure | None = None) -> None:
        self.held.pop(key, None)
        self.context.report([AttemptResult(*key, value=b"done", failure=failure)])


class UnreliableStorage(MemoryStorage):
    """Is away for as long as the test says."""

    away = False

    commits_only_when: asyncio.Event | None = None
    answers_claims_when: asyncio.Event | None = None

    async def claim(self, *arguments: object, **keywords: object) -> list[Attempt]:
        self._check_there()
        attempts = await super().claim(*arguments, **keywords)  # type: ignore[arg-type]
        if self.answers_claims_when:
            await self.answers_claims_when.wait()
        return attempts

    async def finish(self, transitions: Sequence[Transition]) -> list[bool]:
        self._check_there()
        if self.commits_only_when:
            await self.commits_only_when.wait()
        return await super().finish(transitions)

    async def renew(self, dispatcher_id: str, keys: Sequence[AttemptKey], lease: float) -> list[AttemptKey]:
        self._check_there()
        return await super().renew(dispatcher_id, keys, lease)

    def _check_there(self) -> None:
        if self.away:
            raise StorageUnavailable("the storage is away; the test brings it back")


class Recorder:
    """An observer that keeps what it is told."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, State]] = []
        self.rosters: list[DispatcherInfo] = []

    def tasks_changed(self, task_ids: list[str], state: State) -> None:
        self.seen += [(task_id, state) for task_id in task_ids]

    def workers_changed(self, dispatcher: DispatcherInfo) -> None:
        self.rosters.append(dispatcher)


class Scene:
    """A dispatcher at work."""

    def __init__(self, settings: DispatcherSettings, slots: int) -> None:
        self.storage = UnreliableStorage("memory://", StorageOptions())
        self.strategy = PlayedStrategy(slots)
        self.recorder = Recorder()
        self.dispatcher = Dispatcher(self.storage, self.strategy, [], Plugins().detector, settings, self.recorder)

    async def enqueue(self, count: int = 1, **options: object) -> list[str]:
        made = TaskOptions(**options)  # type: ignore[arg-type]
        tasks = [Task(new_task_id(), "f", b"", "json", time.time(), made) for _ in range(count)]
        await self.storage.enqueue(tasks)
        return [task.id for task in tasks]

    async def record(self, task_id: str) -> TaskRecord:
        [record] = await self.storage.get_tasks([task_id])
        assert record is not None
        return record

    async def state(self, task_id: str) -> State:
        return (await self.record(task_id)).state

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(10):
            while not condition():  # noqa: ASYNC110
                await asyncio.sleep(0.005)

    async def until_state(self, task_id: str, state: State) -> None:
        async with asyncio.timeout(10):
            while await self.state(task_id) is not state:  # noqa: ASYNC110
                await asyncio.sleep(0.005)


@asynccontextmanager
async def running(settings: DispatcherSettings | None = None, slots: int = 4) -> AsyncIterator[Scene]:
    scene = Scene(settings or DispatcherSettings(), slots)
    await scene.storage.open()
    await scene.storage.put_function(FUNCTION)
    serving = asyncio.create_task(scene.dispatcher.run())
    try:
        yield scene
    finally:
        scene.dispatcher.stop()
        await serving
        await scene.storage.close()
    assert scene.strategy.stopped


def play(scenario: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(scenario(), 30))


def test_tasks_flow_through_within_the_strategys_capacity() -> None:
    async def scenario() -> None:
        async with running(slots=3) as scene:
            ids = await scene.enqueue(20)
            for _ in ids:
                await scene.until(lambda: scene.strategy.held)
                scene.strategy.finish(next(iter(scene.strategy.held)))
            await scene.until(lambda: sum(state is State.COMPLETED for _, state in scene.recorder.seen) == 20)
            results = await scene.storage.get_results(ids)
            assert [result.value for result in results if result] == [b"done"] * 20
            assert scene.strategy.most_held == 3
            assert scene.recorder.seen.count((ids[0], State.RUNNING)) == 1
            assert [info.workers[0].id for info in scene.recorder.rosters] == ["w"]

    play(scenario)


def test_what_is_not_committed_yet_counts_against_the_credit() -> None:
    async def scenario() -> None:
        async with running(slots=3) as scene:
            disk = scene.storage.commits_only_when = asyncio.Event()
            ids = await scene.enqueue(20)
            ended: set[AttemptKey] = set()
            await scene.until(lambda: len(scene.strategy.held) == 3)
            for key in list(scene.strategy.held):
                scene.strategy.finish(key)
                ended.add(key)
            for _ in range(50):
                await asyncio.sleep(0)
            assert not scene.strategy.held, "while the commit takes long, nothing more is taken on"
            assert (await scene.storage.statistics()).running == 3
            disk.set()
            await scene.until(lambda: len(scene.strategy.held) == 3)
            while len(ended) < 20:
                await scene.until(lambda: scene.strategy.held)
                key = next(iter(scene.strategy.held))
                scene.strategy.finish(key)
                ended.add(key)
            for task_id in ids:
                await scene.until_state(task_id, State.COMPLETED)

    play(scenario)


def test_a_failure_is_retried_and_then_final() -> None:
    async def scenario() -> None:
        async with running() as scene:
            [task_id] = await scene.enqueue(max_retries=1, retry_delay=0.0)
            for number in (1, 2):
                key = AttemptKey(task_id, number)
                await scene.until(partial(scene.strategy.held.__contains__, key))
                scene.strategy.finish(key, Failure(FailureKind.EXCEPTION, f"attempt {number}"))
            await scene.until_state(task_id, State.FAILED)
            record = await scene.record(task_id)
            assert [line.failure.message for line in record.history if line.failure] == ["attempt 1", "attempt 2"]

    play(scenario)


def test_a_cancelled_attempt_is_stopped_and_its_late_result_is_fenced() -> None:
    async def scenario() -> None:
        async with running() as scene:
            [task_id] = await scene.enqueue()
            await scene.until(lambda: scene.strategy.held)
            await scene.storage.cancel([task_id])
            await scene.until(lambda: scene.strategy.cancelled)
            scene.strategy.finish(AttemptKey(task_id, 1))
            [other] = await scene.enqueue()
            await scene.until(lambda: (other, 1) in scene.strategy.held)
            assert await scene.state(task_id) is State.CANCELLED

    play(scenario)


def test_leases_are_renewed_for_as_long_as_a_task_runs() -> None:
    async def scenario() -> None:
        async with running(DispatcherSettings(lease=0.3)) as scene:
            [task_id] = await scene.enqueue()
            await scene.until(lambda: scene.strategy.held)
            deadline = time.monotonic() + 1.2
            while time.monotonic() < deadline:
                assert await scene.storage.claim_lapsed("thief", 10, 0.3) == []
                await asyncio.sleep(0.02)
            scene.strategy.finish(AttemptKey(task_id, 1))
            await scene.until_state(task_id, State.COMPLETED)

    play(scenario)


def test_the_tasks_of_a_dead_dispatcher_run_again() -> None:
    async def scenario() -> None:
        async with running() as scene:
            await scene.until(lambda: scene.recorder.rosters)
            scene.strategy.slots = 0
            [task_id] = await scene.enqueue()
            assert await scene.storage.claim("dead", 10, 0.05)
            scene.strategy.slots = 4
            await scene.until(lambda: (task_id, 2) in scene.strategy.held)
            record = await scene.record(task_id)
            assert record.losses == 1
            assert record.history[0].failure is not None
            assert record.history[0].failure.kind is FailureKind.WORKER_LOST

    play(scenario)


def test_an_outcome_is_settled_only_once_it_is_durable() -> None:
    async def scenario() -> None:
        async with running() as scene:
            [task_id] = await scene.enqueue()
            await scene.until(lambda: scene.strategy.held)
            scene.storage.away = True
            scene.strategy.finish(AttemptKey(task_id, 1))
            await asyncio.sleep(0.1)
            assert scene.strategy.forgotten == []
            scene.storage.away = False
            await scene.until(lambda: scene.strategy.forgotten == [(task_id, 1)])
            assert await scene.state(task_id) is State.COMPLETED
            scene.strategy.finish(AttemptKey(task_id, 1))
            assert scene.strategy.forgotten == [(task_id, 1)] * 2, "nobody wants to hear of it again"

    play(scenario)


def test_what_a_worker_still_holds_is_adopted_from_a_dead_dispatcher() -> None:
    async def scenario() -> None:
        async with running(slots=0) as scene:
            [task_id, stale] = await scene.enqueue(2)
            await scene.storage.claim("dead", 10, 60.0)
            await scene.storage.cancel([stale])
            await scene.until(scene.dispatcher.serving.is_set)
            keys = [AttemptKey(task_id, 1), AttemptKey(stale, 1)]
            assert await scene.strategy.context.adopt(keys) == {(task_id, 1)}
            info = scene.dispatcher.info()
            assert (info.fenced, info.malformed, info.refused) == (1, 3, 4)
            scene.strategy.finish(AttemptKey(task_id, 1))
            await scene.until_state(task_id, State.COMPLETED)
            assert (await scene.record(task_id)).attempt == 1

    play(scenario)


def test_outcomes_wait_for_storage_that_is_away() -> None:
    async def scenario() -> None:
        async with running() as scene:
            [task_id] = await scene.enqueue()
            await scene.until(lambda: scene.strategy.held)
            scene.storage.away = True
            scene.strategy.finish(AttemptKey(task_id, 1))
            await asyncio.sleep(0.3)
            assert await scene.state(task_id) is State.RUNNING
            scene.storage.away = False
            await scene.until_state(task_id, State.COMPLETED)

    play(scenario)


@pytest.mark.parametrize("own", [True, False], ids=["the task's own deadline", "the dispatcher's default"])
def test_a_task_that_waits_past_its_deadline_fails_without_running(own: bool) -> None:
    async def scenario() -> None:
        settings = DispatcherSettings(deadline=None if own else 0.2)
        async with running(settings, slots=0) as scene:
            [task_id] = await scene.enqueue(deadline=0.2 if own else None)
            await scene.until_state(task_id, State.FAILED)
            failure = (await scene.record(task_id)).failure
            assert failure is not None
            assert failure.kind is FailureKind.TIMEOUT

    play(scenario)


def test_a_task_whose_labels_nobody_has_waits() -> None:
    async def scenario() -> None:
        async with running() as scene:
            [waiting] = await scene.enqueue(labels=("tpu",))
            [running_id] = await scene.enqueue(labels=("gpu",))
            await scene.until(lambda: (running_id, 1) in scene.strategy.held)
            assert await scene.state(waiting) is State.QUEUED

    play(scenario)


def test_draining_finishes_what_runs_and_leaves_what_waits() -> None:
    async def scenario() -> None:
        async with running(slots=1) as scene:
            first, second = await scene.enqueue(2)
            await scene.until(lambda: scene.strategy.held)
            draining = asyncio.create_task(scene.dispatcher.drain())
            await asyncio.sleep(0.05)
            assert not draining.done()
            scene.strategy.finish(AttemptKey(first, 1))
            await draining
            assert await scene.state(first) is State.COMPLETED
            assert await scene.state(second) is State.QUEUED

    play(scenario)


def test_a_drain_that_takes_too_long_gives_back_at_no_cost() -> None:
    async def scenario() -> None:
        async with running(DispatcherSettings(drain_timeout=0.1)) as scene:
            [task_id] = await scene.enqueue(max_redeliveries=0)
            await scene.until(lambda: scene.strategy.held)
            await scene.dispatcher.drain()
            await scene.until_state(task_id, State.QUEUED)
            assert (await scene.record(task_id)).losses == 0
            assert scene.strategy.cancelled == [(task_id, 1)]
            await scene.until(lambda: scene.strategy.stopped)
            assert await scene.storage.dispatchers() == []

    play(scenario)


def test_draining_waits_for_a_claim_that_is_out() -> None:
    """Storage has given the task to this dispatcher, which does not know it yet: it would be nobody's for a lease."""

    async def scenario() -> None:
        async with running() as scene:
            scene.storage.answers_claims_when = asyncio.Event()
            [task_id] = await scene.enqueue()
            await scene.until_state(task_id, State.RUNNING)
            draining = asyncio.create_task(scene.dispatcher.drain())
            await asyncio.sleep(0.05)
            assert not draining.done()
            scene.storage.answers_claims_when.set()
            await scene.until(lambda: scene.strategy.held)
            scene.strategy.finish(AttemptKey(task_id, 1))
            await draining
            assert await scene.state(task_id) is State.COMPLETED

    play(scenario)


def test_draining_does_not_wait_for_workers_that_are_gone() -> None:
    async def scenario() -> None:
        async with running() as scene:
            [task_id] = await scene.enqueue(max_redeliveries=0)
            await scene.until(lambda: scene.strategy.held)
            draining = asyncio.create_task(scene.dispatcher.drain())
            await asyncio.sleep(0.05)
            assert not draining.done()
            scene.strategy.is_deserted = True
            await draining
            await scene.until_state(task_id, State.QUEUED)
            assert (await scene.record(task_id)).losses == 0

    play(scenario)


def test_whatever_is_to_be_forgotten_is_forgotten_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """However fast tasks end: there is no second round of housekeeping here."""
    monkeypatch.setattr(service, "HOUSEKEEPING_INTERVAL", 3600.0)

    async def scenario() -> None:
        scene = Scene(DispatcherSettings(), slots=1)
        await scene.storage.open()
        await scene.storage.put_function(FUNCTION)
        ids = await scene.enqueue(2 * service.EXPIRE_BATCH + 1, ttl=0.0, delay=3600.0)
        await scene.storage.cancel(ids)
        serving = asyncio.create_task(scene.dispatcher.run())
        async with asyncio.timeout(10):
            while any(result and not result.expired for result in await scene.storage.get_results(ids)):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        scene.dispatcher.stop()
        await serving
        await scene.storage.close()

    play(scenario)
