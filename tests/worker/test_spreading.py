"""How tasks are spread over children, and when children are replaced."""

import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import dill
import pytest

from mpcsfaas.model import FailureKind

if TYPE_CHECKING:
    from tests.worker.conftest import PoolDriver


def allocate(size: int) -> int:
    return len(bytearray(size))


def keep(size: int) -> None:
    import builtins

    builtins.kept = bytearray(b"x") * size  # type: ignore[attr-defined]


def load(result: Any) -> Any:
    assert result.failure is None
    return dill.loads(result.value)


def test_nothing_waits_behind_a_slow_task_while_another_slot_is_idle(pool: "PoolDriver") -> None:
    """Prefetched tasks are called back from behind it, however short the tasks before were."""
    pool.run(*(pool.assignment(os.getpid) for _ in range(200)))
    slow = pool.assignment(time.sleep, 1.0)
    quick = [pool.assignment(os.getpid) for _ in range(20)]
    results = pool.run(slow, *quick)
    assert max(result.finished_at for result in results[1:]) < results[0].finished_at - 0.5
    assert all(result.failure is None for result in results)


def test_large_payloads_do_not_wait_behind_a_slow_task_either(pool: "PoolDriver") -> None:
    payload = b"x" * 1_000_000
    pool.run(*(pool.assignment(os.getpid) for _ in range(200)))
    results = pool.run(pool.assignment(time.sleep, 1.0), *(pool.assignment(bytes.upper, payload) for _ in range(6)))
    assert max(result.finished_at for result in results[1:]) < results[0].finished_at
    assert all(result.failure is None for result in results)


def test_a_large_payload_is_cancelled_before_it_starts(start_pool: Callable[..., "PoolDriver"]) -> None:
    pool = start_pool(workers=1)
    running, large, last = (
        pool.assignment(time.sleep, 0.2),
        pool.assignment(bytes.upper, b"x" * 1_000_000),
        pool.assignment(os.getpid),
    )
    pool.submit(running, large, last)
    pool.loop.call_soon(pool.pool.cancel, [large.attempt.key])
    pool.wait_until(lambda: last.attempt.key in pool.results)
    assert [result.key for result in pool.reports] == [running.attempt.key, last.attempt.key]


def test_slots_run_at_the_same_time(pool: "PoolDriver") -> None:
    results = pool.run(pool.assignment(time.sleep, 0.3), pool.assignment(time.sleep, 0.3))
    assert results[0].started_at < results[1].finished_at
    assert results[1].started_at < results[0].finished_at


def test_capacity_is_slots_and_prefetch_less_what_is_outstanding(start_pool: Callable[..., "PoolDriver"]) -> None:
    pool = start_pool(workers=2, prefetch=0)
    assert (pool.pool.capacity(), pool.pool.busy()) == (2, 0)
    pool.submit(pool.assignment(time.sleep, 0.2))
    pool.wait_until(lambda: pool.pool.busy() == 1)
    assert pool.pool.capacity() == 1
    pool.wait_until(lambda: pool.pool.busy() == 0)
    assert pool.pool.capacity() == 2


def test_more_is_wanted_while_tasks_are_short_and_less_while_they_are_long(
    start_pool: Callable[..., "PoolDriver"],
) -> None:
    pool = start_pool(workers=1, prefetch=10)
    pool.run(*(pool.assignment(os.getpid) for _ in range(50)))
    assert pool.pool.capacity() == 11
    pool.run(*(pool.assignment(time.sleep, 0.12) for _ in range(6)))
    assert pool.pool.capacity() == 1


def test_a_child_is_replaced_after_its_share_of_tasks(start_pool: Callable[..., "PoolDriver"]) -> None:
    pool = start_pool(workers=1, recycle_after=10)
    processes = [load(result) for result in pool.run(*(pool.assignment(os.getpid) for _ in range(95)))]
    shares = [processes.count(process) for process in dict.fromkeys(processes)]
    assert shares == [10] * 9 + [5]
    assert len(pool.reports) == 95


def test_each_task_may_have_a_fresh_process(start_pool: Callable[..., "PoolDriver"]) -> None:
    pool = start_pool(recycle_after=1)
    processes = {load(result) for result in pool.run(*(pool.assignment(os.getpid) for _ in range(20)))}
    assert len(processes) == 20


def test_a_child_that_holds_much_memory_is_replaced_after_its_task(start_pool: Callable[..., "PoolDriver"]) -> None:
    pool = start_pool(workers=1, recycle_memory=200 * 1024 * 1024)
    first = pool.value(os.getpid)
    pool.value(keep, 300 * 1024 * 1024)
    while pool.value(os.getpid) == first:
        pool.value(time.sleep, 0.02)
    assert [result.failure for result in pool.reports if result.failure] == []


def test_a_memory_limit_raises_memory_error(start_pool: Callable[..., "PoolDriver"]) -> None:
    pool = start_pool(memory_limit=512 * 1024 * 1024)
    result = pool.call(allocate, 1024 * 1024 * 1024)
    assert result.failure is not None
    assert (result.failure.kind, result.failure.type) == (FailureKind.EXCEPTION, "MemoryError")
    assert result.failure.message == "MemoryError. The worker's memory_limit is 536870912 bytes."
    assert pool.value(allocate, 1024 * 1024) == 1024 * 1024


def test_a_function_is_loaded_once_per_child(start_pool: Callable[..., "PoolDriver"]) -> None:
    pool = start_pool(workers=1)

    def count(calls: list[int] = []) -> int:  # noqa: B006 - state of the loaded function, on purpose
        calls.append(1)
        return len(calls)

    function = pool.function(count)
    assert [load(result) for result in pool.run(*(pool.assignment(function) for _ in range(30)))] == list(range(1, 31))


def test_more_functions_than_a_child_keeps(start_pool: Callable[..., "PoolDriver"]) -> None:
    pool = start_pool(workers=1)
    functions = [pool.function(eval(f"lambda: {number}"), "cloudpickle") for number in range(600)]
    for _ in range(2):
        results = pool.run(*(pool.assignment(function) for function in functions))
        assert [load(result) for result in results] == list(range(600))


def test_large_payloads_travel_both_ways(pool: "PoolDriver") -> None:
    sizes = [65_000, 65_536, 65_537, 1_000_000, 20_000_000]
    results = pool.run(*(pool.assignment(bytes.upper, b"x" * size) for size in sizes))
    assert [len(load(result)) for result in results] == sizes
    assert load(results[-1]) == b"X" * sizes[-1]


def test_times_are_told_in_order(pool: "PoolDriver") -> None:
    before = time.time()
    result = pool.call(time.sleep, 0.05)
    assert before <= result.sent_at <= result.started_at
    assert result.started_at + 0.05 <= result.finished_at <= time.time()
    assert result.worker == "test-worker"


@pytest.mark.parametrize("workers", [1, 8])
def test_a_thousand_tasks(start_pool: Callable[..., "PoolDriver"], workers: int) -> None:
    pool = start_pool(workers=workers)
    results = pool.run(*(pool.assignment(abs, -number) for number in range(1000)))
    assert [load(result) for result in results] == list(range(1000))
    assert len(pool.reports) == 1000
