"""Housekeeping: results expire, tombstones stay a while, dispatchers report."""

from mpcsfaas.interfaces.storage import EnqueueStatus, Statistics
from mpcsfaas.model import DispatcherInfo, State, TaskLogs, WorkerInfo
from mpcsfaas.testing.storage_cases.world import Contract, World, case, complete, fail, list_all, requeue


class ExpiryCases(Contract):
    """`expire`."""

    @case
    async def test_a_result_lasts_its_ttl(self, world: World) -> None:
        attempt = await world.end(ttl=10)
        world.clock.advance(9.5)
        assert await world.storage.expire() == 0
        (result,) = await world.storage.get_results([attempt.task.id])
        assert result is not None
        assert result.value == b"value"

    @case
    async def test_an_expired_task_reads_expired_and_nothing_else_is_left(self, world: World) -> None:
        attempt = await world.start(ttl=10, group="group")
        await world.storage.finish([complete(attempt, stdout="printed")])
        world.clock.advance(10)
        assert await world.storage.expire() == 1
        task_id = attempt.task.id
        record = await world.record(task_id)
        assert (record.state, record.expired) == (State.COMPLETED, True)
        (result,) = await world.storage.get_results([task_id])
        assert result is not None
        assert (result.state, result.expired, result.value) == (State.COMPLETED, True, b"")
        assert await world.storage.get_logs(task_id) == TaskLogs(task_id)
        assert await world.storage.completions(0) == []
        assert await world.storage.completions(0, group="group") == []
        assert await world.storage.expire() == 0

    @case
    async def test_an_expired_task_is_still_known(self, world: World) -> None:
        attempt = await world.end(ttl=10, idempotency_key="key")
        world.clock.advance(10)
        await world.storage.expire()
        again = [attempt.task, world.task(idempotency_key="key")]
        answers = await world.storage.enqueue(again)
        assert [answer.status for answer in answers] == [EnqueueStatus.DUPLICATE] * 2
        assert await world.storage.cancel([attempt.task.id]) == [State.COMPLETED]
        assert [record.expired for record in await list_all(world.storage)] == [True]

    @case
    async def test_after_its_ttl_again_it_is_unknown(self, world: World) -> None:
        attempt = await world.end(ttl=10, idempotency_key="key")
        world.clock.advance(10)
        await world.storage.expire()
        world.clock.advance(9.5)
        await world.storage.expire()
        assert (await world.record(attempt.task.id)).expired is True
        world.clock.advance(0.5)
        assert await world.storage.expire() == 0
        assert await world.storage.get_tasks([attempt.task.id]) == [None]
        assert await list_all(world.storage) == []
        assert await world.storage.statistics() == Statistics(functions=1)
        await world.accept(idempotency_key="key")
        assert await world.storage.latest_completion() > 0

    @case
    async def test_late_housekeeping_still_keeps_the_tombstone_for_a_ttl(self, world: World) -> None:
        attempt = await world.end(ttl=10)
        world.clock.advance(1000)
        assert await world.storage.expire() == 1
        world.clock.advance(9.5)
        await world.storage.expire()
        assert (await world.record(attempt.task.id)).expired is True

    @case
    async def test_unfinished_tasks_never_expire(self, world: World) -> None:
        running = await world.start(ttl=0)
        requeued = await world.start(ttl=0)
        await world.storage.finish([requeue(requeued)])
        (queued,) = await world.accept(ttl=0)
        world.clock.advance(1000)
        assert await world.storage.expire() == 0
        for task in (running.task, requeued.task, queued):
            assert (await world.record(task.id)).expired is False

    @case
    async def test_failed_and_cancelled_tasks_expire_too(self, world: World) -> None:
        failed = await world.start(ttl=10)
        await world.storage.finish([fail(failed)])
        cancelled = await world.start(ttl=10)
        await world.storage.cancel([cancelled.task.id])
        world.clock.advance(10)
        assert await world.storage.expire() == 2
        assert await world.storage.get_payloads([failed.task.id, cancelled.task.id]) == [None, None]
        assert [record.state for record in await list_all(world.storage)] == [State.CANCELLED, State.FAILED]

    @case
    async def test_expiry_keeps_to_its_limit(self, world: World) -> None:
        await world.accept(5, ttl=10)
        await world.storage.finish([complete(attempt) for attempt in await world.claim()])
        world.clock.advance(10)
        assert [await world.storage.expire(limit=2) for _ in range(4)] == [2, 2, 1, 0]
        assert len(await list_all(world.storage)) == 5


class DispatcherCases(Contract):
    """`report_dispatcher`, `remove_dispatcher`, `dispatchers`."""

    @case
    async def test_a_report_is_kept_and_replaced(self, world: World) -> None:
        assert await world.storage.dispatchers() == []
        first = self._info(world, busy=0)
        await world.storage.report_dispatcher(first)
        assert await world.storage.dispatchers() == [first]
        second = self._info(world, busy=2)
        await world.storage.report_dispatcher(second)
        assert await world.storage.dispatchers() == [second]

    @case
    async def test_a_report_runs_out(self, world: World) -> None:
        await world.storage.report_dispatcher(self._info(world))
        world.clock.advance(4.5)
        assert len(await world.storage.dispatchers()) == 1
        world.clock.advance(0.5)
        assert await world.storage.dispatchers() == []

    @case
    async def test_a_report_can_be_withdrawn(self, world: World) -> None:
        staying, going = self._info(world), self._info(world, name="going")
        await world.storage.report_dispatcher(staying)
        await world.storage.report_dispatcher(going)
        assert len(await world.storage.dispatchers()) == 2
        await world.storage.remove_dispatcher("going")
        await world.storage.remove_dispatcher("unknown")
        assert await world.storage.dispatchers() == [staying]

    @staticmethod
    def _info(world: World, name: str = "dispatcher", busy: int = 0) -> DispatcherInfo:
        workers = (
            WorkerInfo("worker", "host", 7, 4, busy, ("gpu",), "3.11", 1.5),
            WorkerInfo("other", "host", 8, 1, 0),
        )
        return DispatcherInfo(name, "host", 6, "local", 0.5, world.clock() + 5, workers)
