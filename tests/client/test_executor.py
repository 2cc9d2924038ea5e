"""`Executor` on a real platform: what CPython's own tests ask of an executor, and what is ours."""

import asyncio
import gc
import os
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Iterator
from concurrent import futures
from typing import Any

import pytest

from mpcsfaas.client import Client, Executor, errors
from mpcsfaas.client.futures import TaskFuture
from mpcsfaas.errors import SerializationError
from mpcsfaas.model import State
from mpcsfaas.testing.platform import PlatformProcess, wait_until

LONG = 3600


@pytest.fixture
def executor(client: Client) -> Iterator[Executor]:
    executor = Executor(client)
    yield executor
    executor.shutdown(cancel_futures=True)


def fail() -> None:
    raise KeyError("no")


def make_dict(**kwargs: int) -> dict[str, int]:
    return kwargs


# From test_concurrent_futures


def test_submit(executor: Executor) -> None:
    assert executor.submit(pow, 2, 8).result(30) == 256


def test_submit_keyword_arguments(executor: Executor) -> None:
    """Whatever their names are."""
    assert executor.submit(make_dict, self=3, fn=5).result(30) == {"self": 3, "fn": 5}
    with pytest.raises(TypeError):
        executor.submit(fn=1)  # type: ignore[call-overload]


def test_map(executor: Executor) -> None:
    assert list(executor.map(pow, range(10), range(10))) == list(map(pow, range(10), range(10)))
    assert list(executor.map(pow, [])) == []


@pytest.mark.parametrize("size", [1, 3, 10, 100])
def test_map_in_chunks(executor: Executor, size: int) -> None:
    assert list(executor.map(pow, range(10), range(10), chunksize=size)) == list(map(pow, range(10), range(10)))


def test_a_chunk_is_one_task(client: Client) -> None:
    with Executor(client) as executor:
        list(executor.map(pow, range(10), range(10), chunksize=4))
    assert len(list(client.tasks(group=executor.group))) == 3


def test_a_bad_chunksize(executor: Executor) -> None:
    with pytest.raises(ValueError, match="chunksize must be >= 1"):
        executor.map(pow, [1], chunksize=0)


def test_map_raises_in_order(executor: Executor) -> None:
    results = executor.map(divmod, [1, 1, 1, 1], [2, 3, 0, 5])
    assert next(results) == (0, 1)
    assert next(results) == (0, 1)
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_map_timeout(executor: Executor) -> None:
    with pytest.raises(futures.TimeoutError):
        list(executor.map(time.sleep, [LONG], timeout=0.05))


def test_submit_after_shutdown(executor: Executor) -> None:
    executor.shutdown()
    with pytest.raises(RuntimeError, match="cannot schedule new futures after shutdown"):
        executor.submit(pow, 2, 5)


def test_shutdown_of_an_unused_executor(client: Client) -> None:
    executor = Executor(client)
    executor.shutdown()
    executor.shutdown()


def test_shutdown_waits(client: Client) -> None:
    executor = Executor(client)
    pending = [executor.submit(time.sleep, 0.05) for _ in range(5)]
    executor.shutdown()
    assert all(future.done() for future in pending)


def test_shutdown_without_waiting(client: Client) -> None:
    executor = Executor(client)
    pending = executor.submit(pow, 2, 5)
    executor.shutdown(wait=False)
    assert pending.result(30) == 32
    wait_until(lambda: not threads_of(executor), what="the threads' end")


def test_shutdown_cancels_futures(client: Client) -> None:
    executor = Executor(client)
    pending = [executor.submit(time.sleep, LONG) for _ in range(10)]
    executor.shutdown(cancel_futures=True)
    assert all(future.cancelled() for future in pending)
    wait_until(lambda: not list(client.tasks(group=executor.group, state=State.RUNNING)), what="the kill")


def threads_of(executor: Executor) -> list[threading.Thread]:
    return [thread for thread in executor._delivery._threads if thread.is_alive()]


def test_a_forgotten_executor_ends_by_itself(client: Client) -> None:
    executor = Executor(client)
    pending = executor.submit(pow, 2, 5)
    threads = executor._delivery._threads
    reference = weakref.ref(executor)
    del executor
    gc.collect()
    assert reference() is None
    assert pending.result(30) == 32
    wait_until(lambda: not any(thread.is_alive() for thread in threads), what="the threads' end")


def test_wait_and_as_completed(executor: Executor) -> None:
    slow: Any = executor.submit(time.sleep, LONG)
    quick: Any = executor.submit(pow, 2, 5)
    done, pending = futures.wait([slow, quick], 30, futures.FIRST_COMPLETED)
    assert (done, pending) == ({quick}, {slow})
    slow.cancel()
    assert set(futures.as_completed([slow, quick], 30)) == {slow, quick}


def test_wait_for_the_first_exception(executor: Executor) -> None:
    slow: Any = executor.submit(time.sleep, LONG)
    bad: Any = executor.submit(divmod, 1, 0)
    done, _ = futures.wait([slow, bad], 30, futures.FIRST_EXCEPTION)
    assert done == {bad}
    slow.cancel()


def test_callbacks(executor: Executor) -> None:
    called: list[Any] = []
    future = executor.submit(pow, 2, 5)
    future.add_done_callback(lambda future: called.append(future.result()))
    wait_until(lambda: called == [32], what="the callback")
    future.add_done_callback(lambda future: called.append("late"))
    assert called == [32, "late"]


def test_a_callback_that_raises_harms_nobody(executor: Executor, caplog: pytest.LogCaptureFixture) -> None:
    future = executor.submit(pow, 2, 5)
    future.add_done_callback(lambda future: 1 / 0)
    assert future.result(30) == 32
    assert executor.submit(pow, 2, 6).result(30) == 64


def test_a_callback_may_submit_and_shut_down(client: Client) -> None:
    executor = Executor(client)
    second: futures.Future[Any] = futures.Future()

    def go_on(_: Any) -> None:
        inner = executor.submit(pow, 2, 6)
        inner.add_done_callback(lambda future: second.set_result(future.result()))
        executor.shutdown(wait=True)

    executor.submit(pow, 2, 5).add_done_callback(go_on)
    assert second.result(30) == 64


def test_exceptions_have_the_remote_traceback(executor: Executor) -> None:
    error = executor.submit(fail).exception(30)
    assert type(error) is KeyError
    assert "in fail" in str(error.__cause__)


def test_a_crash_breaks_one_future_only(client: Client) -> None:
    with Executor(client.with_options(max_redeliveries=0)) as executor:
        bad, good = executor.submit(os._exit, 3), executor.submit(pow, 2, 5)
        assert isinstance(bad.exception(30), errors.TaskCrashed)
        assert good.result(30) == 32


def test_asyncio_can_use_it(executor: Executor) -> None:
    async def main() -> int:
        return await asyncio.get_running_loop().run_in_executor(executor, pow, 2, 5)

    assert asyncio.run(main()) == 32


def test_cancelling_from_asyncio_stops_the_task(client: Client, executor: Executor) -> None:
    async def main() -> None:
        await asyncio.wait_for(asyncio.wrap_future(executor.submit(time.sleep, LONG)), 0.3)

    with pytest.raises(TimeoutError):
        asyncio.run(main())
    wait_until(lambda: states(client, executor) == {State.CANCELLED}, what="the cancellation")


def states(client: Client, executor: Executor) -> set[State]:
    return {record.state for record in client.tasks(group=executor.group)}


# Ours


def test_cancelling_what_waits_and_what_runs(client: Client, executor: Executor) -> None:
    pending = [executor.submit(time.sleep, LONG) for _ in range(6)]
    wait_until(lambda: State.RUNNING in states(client, executor), what="running")
    assert [future.cancel() for future in pending] == [True] * 6
    assert all(future.cancelled() and future.cancel() for future in pending)
    with pytest.raises(futures.CancelledError):
        pending[0].result()
    wait_until(lambda: states(client, executor) == {State.CANCELLED}, what="the cancellation")


def test_what_has_ended_is_not_cancelled(executor: Executor) -> None:
    future = executor.submit(pow, 2, 5)
    assert future.result(30) == 32
    assert not future.cancel()
    assert not future.cancelled()


def test_cancelled_by_somebody_else(client: Client, executor: Executor) -> None:
    future = executor.submit(time.sleep, LONG)
    wait_until(lambda: future.accepted, what="being accepted")
    client.cancel(future.task_id)
    with pytest.raises(futures.CancelledError):
        future.result(30)
    assert future.cancelled()


def test_futures_are_typed_and_know_their_task(client: Client, executor: Executor) -> None:
    future = executor.submit(pow, 2, 5)
    assert isinstance(future, TaskFuture)
    assert future.result(30) == 32
    assert client.task(future.task_id).options.group == executor.group


def test_many_threads(executor: Executor) -> None:
    results: dict[int, int] = {}

    def work(number: int) -> None:
        pending = [executor.submit(pow, number, 2) for _ in range(50)]
        results[number] = sum(future.result(60) for future in pending)

    threads = [threading.Thread(target=work, args=[number]) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {number: 50 * number**2 for number in range(8)}


def test_what_cannot_be_sent_is_said_at_once(executor: Executor) -> None:
    with pytest.raises(SerializationError, match=r"_thread.lock"):
        executor.submit(print, threading.Lock())
    with pytest.raises(ValueError, match="idempotency_key"):
        Executor(executor._client.with_options(idempotency_key="one"))


def test_options_come_from_the_client_and_from_the_function(client: Client) -> None:
    function = client.function(group="elsewhere", priority=5)(divmod)
    with Executor(client.with_options(priority=1, max_retries=3)) as executor:
        future = executor.submit(function, 7, 5)
        assert future.result(30) == (1, 2)
    options = client.task(future.task_id).options
    assert (options.priority, options.max_retries, options.group) == (5, 3, executor.group)


def test_a_forked_process_gets_a_clear_error(executor: Executor) -> None:
    future = executor.submit(time.sleep, LONG)
    pid = os.fork()
    if pid == 0:
        os._exit(0 if raises_in_fork(executor, future) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    future.cancel()


def raises_in_fork(executor: Executor, future: TaskFuture[Any]) -> bool:
    try:
        executor.submit(pow, 2, 5)
    except RuntimeError as error:
        refused = "forked" in str(error)
    try:
        future.result(30)
    except RuntimeError as error:
        return refused and "forked" in str(error)
    return False


SCRIPT = """
import sys, time
from mpcsfaas import Executor
executor = Executor(sys.argv[1])
future = executor.submit(time.sleep, 0.2)
future.add_done_callback(lambda future: print("done", future.result()))
"""


def test_the_interpreter_waits_for_futures(platform: PlatformProcess) -> None:
    """As with the standard library's executors: nothing is lost by just reaching the end of a script."""
    command = [sys.executable, "-c", SCRIPT, platform.url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr, done.returncode) == ("done None\n", "", 0)
