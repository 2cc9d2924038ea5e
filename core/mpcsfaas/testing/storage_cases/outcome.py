"""The end of an attempt: fencing, budgets, results, logs and history; and cancellation."""

from mpcsfaas.model import Attempt, AttemptKey, Budget, FailureKind, State, TaskLogs, TaskResult
from mpcsfaas.testing.storage_cases.world import LEASE, Contract, World, case, complete, fail, requeue


class FinishCases(Contract):
    """`finish`."""

    @case
    async def test_a_completed_task_has_its_value_logs_and_history(self, world: World) -> None:
        attempt = await world.start()
        world.clock.advance(3)
        transition = complete(attempt, b"\x00value\xff", stdout="printed é\x00", stderr="warned\n")
        assert await world.storage.finish([transition]) == [True]
        task_id = attempt.task.id
        record = await world.record(task_id)
        assert (record.state, record.finished_at, record.history) == (
            State.COMPLETED,
            world.clock(),
            (transition.record,),
        )
        expected = TaskResult(task_id, State.COMPLETED, "dill", b"\x00value\xff")
        assert await world.storage.get_results([task_id]) == [expected]
        assert await world.storage.get_logs(task_id) == TaskLogs(task_id, "printed é\x00", "warned\n")

    @case
    async def test_a_failed_task_says_why(self, world: World) -> None:
        attempt = await world.start()
        transition = fail(attempt)
        assert await world.storage.finish([transition]) == [True]
        record = await world.record(attempt.task.id)
        assert (record.state, record.failure) == (State.FAILED, transition.failure)
        expected = TaskResult(attempt.task.id, State.FAILED, "dill", b"raised", transition.failure)
        assert await world.storage.get_results([attempt.task.id]) == [expected]

    @case
    async def test_before_the_end_there_is_a_state_and_no_value(self, world: World) -> None:
        (task,) = await world.accept()
        assert await world.storage.get_results([task.id]) == [TaskResult(task.id, State.QUEUED, "dill")]
        await world.claim()
        assert await world.storage.get_results([task.id]) == [TaskResult(task.id, State.RUNNING, "dill")]
        assert await world.storage.get_logs(task.id) == TaskLogs(task.id)

    @case
    async def test_repeating_an_applied_transition_is_fenced(self, world: World) -> None:
        attempt = await world.end()
        assert await world.storage.finish([complete(attempt, b"late"), fail(attempt)]) == [False, False]
        (result,) = await world.storage.get_results([attempt.task.id])
        assert result == TaskResult(attempt.task.id, State.COMPLETED, "dill", b"value")
        assert len(await world.storage.completions(0)) == 1
        assert (await world.storage.statistics()).fenced == 2
        assert await world.state(attempt.task.id) is State.COMPLETED

    @case
    async def test_the_first_of_two_transitions_in_a_batch_wins(self, world: World) -> None:
        attempt = await world.start()
        assert await world.storage.finish([fail(attempt), complete(attempt)]) == [True, False]
        assert await world.state(attempt.task.id) is State.FAILED

    @case
    async def test_only_the_present_attempt_may_finish(self, world: World) -> None:
        first = await world.start()
        await world.storage.finish([requeue(first, budget=Budget.REDELIVERY)])
        (second,) = await world.claim()
        assert await world.storage.finish([complete(first, b"late"), fail(first), requeue(first)]) == [False] * 3
        assert await world.state(first.task.id) is State.RUNNING
        future = Attempt(first.task, 3, 0.0)
        assert await world.storage.finish([complete(future)]) == [False]
        assert await world.storage.finish([complete(second, b"good")]) == [True]
        (result,) = await world.storage.get_results([first.task.id])
        assert result is not None
        assert result.value == b"good"

    @case
    async def test_a_queued_or_unknown_task_cannot_be_finished(self, world: World) -> None:
        (task,) = await world.accept()
        attempts = [Attempt(task, number, 0.0) for number in (0, 1)] + [Attempt(world.task(), 1, 0.0)]
        assert await world.storage.finish([complete(attempt) for attempt in attempts]) == [False] * 3
        assert await world.state(task.id) is State.QUEUED

    @case
    async def test_a_batch_is_answered_in_order(self, world: World) -> None:
        await world.accept(300)
        attempts = await world.claim(limit=300)
        mixed = [complete(attempt) if index % 3 else fail(attempt) for index, attempt in enumerate(attempts)]
        assert await world.storage.finish(mixed[::2]) == [True] * 150
        assert await world.storage.finish(mixed) == [False, True] * 150
        assert await world.storage.finish([]) == []

    @case
    async def test_a_requeued_task_is_claimed_as_the_next_attempt(self, world: World) -> None:
        first = await world.start()
        assert await world.storage.finish([requeue(first)]) == [True]
        record = await world.record(first.task.id)
        assert (record.state, record.finished_at, record.failure) == (State.QUEUED, None, None)
        (second,) = await world.claim()
        assert second == Attempt(first.task, 2, world.clock())

    @case
    async def test_a_requeued_task_keeps_its_place(self, world: World) -> None:
        await world.accept(3)
        first, second = await world.claim(limit=2)
        await world.storage.finish([requeue(second), requeue(first)])
        assert [attempt.task.id for attempt in await world.claim(limit=2)] == [first.task.id, second.task.id]

    @case
    async def test_a_requeued_task_waits_until_it_is_ready(self, world: World) -> None:
        attempt = await world.start()
        await world.storage.finish([requeue(attempt, ready_at=world.clock() + 5)])
        assert (await world.record(attempt.task.id)).ready_at == world.clock() + 5
        world.clock.advance(4.5)
        assert await world.claim() == []
        world.clock.advance(0.5)
        assert len(await world.claim()) == 1

    @case
    async def test_budgets_are_counted_apart(self, world: World) -> None:
        await world.start()
        world.clock.advance(LEASE)
        spent = [Budget.RETRY, Budget.REDELIVERY, Budget.NONE, Budget.REDELIVERY]
        for budget in spent:
            (attempt,) = await world.storage.claim_lapsed("d", 1, 0.0) or await world.claim()
            await world.storage.finish([requeue(attempt, budget=budget)])
        (last,) = await world.claim()
        assert (last.number, last.failures, last.losses) == (5, 1, 2)
        record = await world.record(last.task.id)
        assert (record.attempt, record.failures, record.losses) == (5, 1, 2)

    @case
    async def test_history_is_every_attempt_in_order(self, world: World) -> None:
        first = await world.start()
        await world.storage.finish([requeue(first, stdout="first")])
        assert await world.storage.get_logs(first.task.id) == TaskLogs(first.task.id, "first", "")
        (second,) = await world.claim()
        await world.storage.finish([requeue(second, stdout="second")])
        (third,) = await world.claim()
        await world.storage.finish([fail(third, FailureKind.CRASHED)])
        expected = (requeue(first).record, requeue(second).record, fail(third, FailureKind.CRASHED).record)
        assert (await world.record(first.task.id)).history == expected
        assert await world.storage.get_logs(first.task.id) == TaskLogs(first.task.id)

    @case
    async def test_a_large_value_and_large_logs_arrive_whole(self, world: World) -> None:
        attempt = await world.start()
        value, printed = b"\x00\xff" * 300_000, "line 1\n" * 30_000
        await world.storage.finish([complete(attempt, value, printed, printed[::-1])])
        (result,) = await world.storage.get_results([attempt.task.id])
        assert result is not None
        assert result.value == value
        assert await world.storage.get_logs(attempt.task.id) == TaskLogs(attempt.task.id, printed, printed[::-1])


class CancelCases(Contract):
    """`cancel` and `take_cancellations`."""

    @case
    async def test_a_queued_task_is_cancelled(self, world: World) -> None:
        (task,) = await world.accept()
        assert await world.storage.cancel([task.id]) == [State.CANCELLED]
        assert await world.claim() == []
        record = await world.record(task.id)
        assert (record.state, record.finished_at, record.attempt) == (State.CANCELLED, world.clock(), 0)
        assert await world.storage.get_results([task.id]) == [TaskResult(task.id, State.CANCELLED, "dill")]

    @case
    async def test_a_delayed_task_is_cancelled(self, world: World) -> None:
        (task,) = await world.accept(delay=5)
        assert await world.storage.cancel([task.id]) == [State.CANCELLED]
        world.clock.advance(5)
        assert await world.claim() == []

    @case
    async def test_a_running_task_is_cancelled_and_its_result_fenced(self, world: World) -> None:
        attempt = await world.start()
        assert await world.storage.cancel([attempt.task.id]) == [State.CANCELLED]
        assert await world.storage.finish([complete(attempt), requeue(attempt)]) == [False, False]
        assert await world.state(attempt.task.id) is State.CANCELLED
        world.clock.advance(LEASE)
        assert await world.storage.claim_lapsed("reaper", 10, LEASE) == []

    @case
    async def test_the_holder_is_told_once(self, world: World) -> None:
        attempt = await world.start()
        await world.storage.cancel([attempt.task.id])
        assert await world.storage.take_cancellations("other") == []
        assert await world.storage.take_cancellations("dispatcher") == [attempt.key]
        assert await world.storage.take_cancellations("dispatcher") == []
        assert await world.storage.renew("dispatcher", [attempt.key], LEASE) == [attempt.key]

    @case
    async def test_the_taker_of_a_lapsed_attempt_is_told(self, world: World) -> None:
        attempt = await world.start()
        world.clock.advance(LEASE)
        await world.storage.claim_lapsed("reaper", 1, LEASE)
        await world.storage.cancel([attempt.task.id])
        assert await world.storage.take_cancellations("reaper") == [attempt.key]

    @case
    async def test_nobody_is_told_of_a_queued_or_ended_task(self, world: World) -> None:
        ended = await world.end()
        requeued = await world.start()
        await world.storage.finish([requeue(requeued)])
        await world.storage.cancel([ended.task.id, requeued.task.id])
        assert await world.storage.take_cancellations("dispatcher") == []

    @case
    async def test_an_end_that_came_first_stays(self, world: World) -> None:
        completed = await world.end()
        failed = await world.start()
        await world.storage.finish([fail(failed)])
        unknown = world.task()
        answer = await world.storage.cancel([completed.task.id, unknown.id, failed.task.id])
        assert answer == [State.COMPLETED, None, State.FAILED]
        assert len(await world.storage.completions(0)) == 2

    @case
    async def test_cancelling_again_or_twice_in_a_batch_is_once(self, world: World) -> None:
        attempt = await world.start()
        task_id = attempt.task.id
        assert await world.storage.cancel([task_id, task_id]) == [State.CANCELLED] * 2
        assert await world.storage.cancel([task_id]) == [State.CANCELLED]
        assert len(await world.storage.completions(0)) == 1
        assert await world.storage.take_cancellations("dispatcher") == [AttemptKey(task_id, 1)]
        assert await world.storage.cancel([]) == []
