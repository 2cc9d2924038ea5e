"""What parents leave to a claimed task: their results, or the reason why it fails."""

import asyncio
from collections.abc import Sequence

import pytest

from mpcsfaas.dispatcher.functions import FunctionCache
from mpcsfaas.dispatcher.outcomes import parent_failure
from mpcsfaas.dispatcher.parents import Legacies, read_legacies
from mpcsfaas.interfaces.storage import StorageOptions
from mpcsfaas.model import Attempt, Failure, FailureKind, Function, ParentResult, State, Task, TaskOptions, TaskResult
from mpcsfaas.testing.clock import FakeClock
from mpcsfaas.testing.storage_cases.world import complete, make_function
from mpcsfaas_storage_memory import MemoryStorage

MINE, ALSO_MINE = make_function("mine"), make_function("also mine")
ANOTHERS = Function("anothers", "anothers", b"code", "dill", 1.5, tenant="another")


def task(task_id: str, function: Function = MINE, after: Sequence[str] = (), ttl: float = 60.0) -> Task:
    return Task(task_id, function.id, b"", "dill", 0.0, TaskOptions(after=tuple(after), ttl=ttl))


def legacies(parents: Sequence[Task], child: Task, wait: float = 0.0) -> Legacies:
    """Those of the child, whose parents have completed that long ago."""

    async def read() -> Legacies:
        clock = FakeClock()
        storage = MemoryStorage("memory://", StorageOptions(), clock)
        for function in (MINE, ALSO_MINE, ANOTHERS):
            await storage.put_function(function)
        await storage.enqueue(parents)
        ended = await storage.claim("d", 10, 60)
        await storage.finish([complete(attempt, attempt.task.id.encode()) for attempt in ended])
        clock.advance(wait)
        await storage.expire()
        return await read_legacies(storage, FunctionCache(storage), [Attempt(child, 1, 0.0)])

    return asyncio.run(read())


def why(left: Legacies) -> str:
    (result,) = left.failures
    assert not left.results
    assert result.failure is not None
    assert result.failure.kind is FailureKind.PARENT_FAILED
    return result.failure.message


def test_results_come_in_the_order_of_the_parents() -> None:
    left = legacies([task("a"), task("b", ALSO_MINE)], task("c", after=["b", "a"]))
    assert left == Legacies({("c", 1): (ParentResult("b", "dill", b"b"), ParentResult("a", "dill", b"a"))}, [])  # type: ignore[dict-item]


def test_a_task_without_parents_asks_for_nothing() -> None:
    class Untouchable:
        pass

    nobody: MemoryStorage = Untouchable()  # type: ignore[assignment]
    asked = read_legacies(nobody, FunctionCache(nobody), [Attempt(task("a"), 1, 0.0)])
    assert asyncio.run(asked) == Legacies({}, [])


def test_another_tenants_result_is_as_unknown_as_none() -> None:
    foreign = why(legacies([task("a", ANOTHERS)], task("c", after=["a"])))
    unknown = why(legacies([], task("c", after=["a"])))
    assert foreign == unknown
    assert "Its parent a is not known" in foreign
    assert legacies([task("a", ANOTHERS)], task("c", ANOTHERS, after=["a"])).results


def test_a_result_that_has_expired_is_the_cause() -> None:
    message = why(legacies([task("a"), task("b", ttl=10)], task("c", after=["a", "b"]), wait=11))
    assert "The result of its parent b has expired" in message


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (TaskResult("p", State.CANCELLED, "dill"), "Its parent p is CANCELLED, so there is no result."),
        (TaskResult("p", State.RUNNING, "dill"), "Its parent p is RUNNING, so there is no result."),
        (
            TaskResult(
                "p", State.FAILED, "dill", failure=Failure(FailureKind.EXCEPTION, "no luck", "ValueError", "tb")
            ),
            "Its parent p failed (exception): ValueError: no luck",
        ),
    ],
)
def test_the_message_names_the_parent_and_its_failure(result: TaskResult, message: str) -> None:
    failure = parent_failure("p", result)
    assert failure is not None
    assert failure.message == message
    assert failure.traceback == (result.failure.traceback if result.failure else "")


def test_the_first_that_failed_is_named_in_every_generation() -> None:
    first = parent_failure("p", TaskResult("p", State.FAILED, "dill", failure=Failure(FailureKind.CRASHED, "signal 9")))
    assert parent_failure("q", TaskResult("q", State.FAILED, "dill", failure=first)) == first
