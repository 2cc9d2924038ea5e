"""Tasks that kill their process, or have to be killed: they alone fail, are told why, and the pool goes on."""

import os
import secrets
import signal
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from mpcsfaas.model import FailureKind
from mpcsfaas.testing.sandbox import in_sandbox_too

if TYPE_CHECKING:
    from tests.worker.conftest import PoolDriver


def exit_hard() -> None:
    os._exit(7)


def segfault() -> None:
    import ctypes

    ctypes.string_at(0)


def kill_itself() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def terminate_itself() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def close_all_descriptors() -> None:
    os.closerange(0, 4096)


@in_sandbox_too
@pytest.mark.parametrize(
    ("function", "words"),
    [
        (exit_hard, ["exited with code 7"]),
        (segfault, ["SIGSEGV"]),
        (kill_itself, ["SIGKILL", "memory", "MiB"]),
        (terminate_itself, ["SIGTERM"]),
        (close_all_descriptors, ["exited with code 1"]),
    ],
)
def test_a_crash_is_told_with_its_cause(pool: "PoolDriver", function: Callable[[], None], words: list[str]) -> None:
    result = pool.call(function)
    assert result.failure is not None
    assert result.failure.kind is FailureKind.CRASHED
    assert [word for word in words if word not in result.failure.message] == []
    assert result.value == b""
    assert pool.works()


def test_a_segfault_leaves_the_python_traceback(pool: "PoolDriver") -> None:
    result = pool.call(segfault)
    assert "Segmentation fault" in result.stderr
    assert "in segfault" in result.stderr


@in_sandbox_too
def test_a_crash_hits_no_neighbour_and_loses_nothing_behind_it(pool: "PoolDriver") -> None:
    assignments = [pool.assignment(exit_hard if number % 10 == 3 else os.getpid) for number in range(60)]
    kinds = [result.failure and result.failure.kind for result in pool.run(*assignments)]
    assert kinds == [FailureKind.CRASHED if number % 10 == 3 else None for number in range(60)]
    assert len(pool.reports) == 60


def run_in_c() -> int:
    return sum(range(10**12))


def run_a_catastrophic_regex() -> None:
    import re

    re.match(r"(a+)+$", "a" * 64 + "b")


def ignore_all_signals() -> None:
    for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_IGN)
    while True:
        time.sleep(1)


@in_sandbox_too
@pytest.mark.parametrize("function", [run_in_c, run_a_catastrophic_regex, ignore_all_signals])
def test_a_timeout_kills_whatever_runs(pool: "PoolDriver", function: Callable[[], Any]) -> None:
    result = pool.call(function, timeout=0.2)
    assert result.failure is not None
    assert result.failure.kind is FailureKind.TIMEOUT
    assert "limit of 0.2 s" in result.failure.message
    assert 0.2 <= result.finished_at - result.started_at < 1.2
    assert pool.works()


def test_the_clock_of_a_queued_task_starts_when_it_starts(start_pool: Callable[..., "PoolDriver"]) -> None:
    pool = start_pool(workers=1)
    pool.value(os.getpid)
    results = pool.run(*(pool.assignment(time.sleep, 0.1, timeout=0.5) for _ in range(10)))
    assert [result.failure for result in results] == [None] * 10


@in_sandbox_too
def test_a_running_task_is_cancelled(pool: "PoolDriver") -> None:
    running, other = pool.assignment(run_in_c), pool.assignment(time.sleep, 0.5)
    pool.submit(running, other)
    pool.wait_until(lambda: pool.pool.busy() == 2)
    pool.loop.call_soon(pool.pool.cancel, [running.attempt.key])
    pool.wait_until(lambda: pool.pool.busy() == 1)
    pool.wait_until(lambda: other.attempt.key in pool.results)
    assert pool.results[other.attempt.key].failure is None
    assert running.attempt.key not in pool.results
    assert pool.works()


def test_a_queued_task_is_cancelled_and_the_running_one_is_not(start_pool: Callable[..., "PoolDriver"]) -> None:
    pool = start_pool(workers=1)
    running, queued, last = (pool.assignment(time.sleep, 0.2), pool.assignment(exit_hard), pool.assignment(os.getpid))
    pool.submit(running, queued, last)
    pool.loop.call_soon(pool.pool.cancel, [queued.attempt.key])
    pool.wait_until(lambda: last.attempt.key in pool.results)
    assert [result.key for result in pool.reports] == [running.attempt.key, last.attempt.key]


def test_unknown_keys_are_not_cancelled(pool: "PoolDriver") -> None:
    pool.pool.cancel([pool.assignment(exit_hard).attempt.key])
    assert pool.works()


def leave_descendants(folder: str, seconds: str, crash: bool) -> None:
    """Start a plain child, one in a session of its own, and a daemon, which leave notes; then hang or crash."""
    import subprocess

    def note() -> None:
        with open(os.path.join(folder, str(os.getpid())), "w"):
            pass

    def hang() -> None:
        note()
        os.execvpe("sleep", ["sleep", seconds], {"PATH": os.environ["PATH"]})

    subprocess.Popen(["sleep", seconds])
    if os.fork() == 0:
        os.setsid()
        hang()
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            hang()
        os._exit(0)
    while len(os.listdir(folder)) < 2:
        time.sleep(0.001)
    if crash:
        os._exit(1)
    time.sleep(1000)


@in_sandbox_too
@pytest.mark.parametrize("crash", [False, True])
def test_descendants_are_killed_wherever_they_hide(pool: "PoolDriver", tmp_path: os.PathLike[str], crash: bool) -> None:
    seconds = f"{1000 + secrets.randbelow(10**9)}"
    result = pool.call(leave_descendants, str(tmp_path), seconds, crash, timeout=None if crash else 1.0)
    assert result.failure is not None
    assert len(os.listdir(tmp_path)) == 2
    assert [process for process in psutil.process_iter(["cmdline"]) if seconds in (process.info["cmdline"] or [])] == []
    assert pool.works()


def bomb() -> None:
    """Double the number of processes nine times, each in a group of its own."""
    for _ in range(9):
        if os.fork() == 0:
            os.setpgid(0, 0)
    time.sleep(1000)


@in_sandbox_too
def test_a_fork_bomb_is_stopped(start_pool: Callable[..., "PoolDriver"]) -> None:
    pool = start_pool(max_processes=100)
    before = len(pool.processes())
    result = pool.call(bomb)
    assert result.failure is not None
    assert result.failure.kind is FailureKind.CRASHED
    assert "max_processes" in result.failure.message
    pool.wait_until(lambda: len(pool.processes()) == before)
    assert pool.works()


def fork_and_return() -> str:
    return "child" if os.fork() == 0 else "parent"


def test_a_copy_that_a_task_forks_does_not_answer_for_it(pool: "PoolDriver") -> None:
    assert pool.value(fork_and_return) == "parent"
    assert pool.works()
    assert len(pool.reports) == 9


def leave_a_thread_behind() -> None:
    import threading

    def chatter() -> None:
        while True:
            time.sleep(0.001)

    threading.Thread(target=chatter, daemon=True).start()


def test_a_daemon_thread_left_behind_breaks_nothing(start_pool: Callable[..., "PoolDriver"]) -> None:
    pool = start_pool(workers=1)
    for _ in range(3):
        pool.value(leave_a_thread_behind)
    assert pool.works()


def write_to_every_socket() -> None:
    for descriptor in range(3, 64):
        try:
            os.write(descriptor, b"idone")
        except OSError:
            continue
    time.sleep(1000)


@in_sandbox_too
def test_a_task_that_writes_to_the_channel_is_killed(pool: "PoolDriver") -> None:
    result = pool.call(write_to_every_socket)
    assert result.failure is not None
    assert result.failure.kind is FailureKind.CRASHED
    assert "descriptors" in result.failure.message
    assert pool.works()


def kill_the_fork_server() -> None:
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(1000)


def test_the_fork_server_is_replaced(pool: "PoolDriver") -> None:
    result = pool.call(kill_the_fork_server)
    assert result.failure is not None
    assert result.failure.kind is FailureKind.WORKER_LOST
    assert "SIGKILL" in result.failure.message
    assert pool.works()
