"""Tasks that reach for more than they may have: they alone fail, are told what the limit is, and the pool goes on."""

import os
import resource
import signal
import stat
import tempfile
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from mpcsfaas.model import FailureKind
from mpcsfaas.testing.sandbox import in_sandbox_too
from mpcsfaas.worker.exits import ChildExit

if TYPE_CHECKING:
    from tests.worker.conftest import PoolDriver

MIB = 1024 * 1024


def burn(seconds: float) -> int:
    """Use so much CPU time; the answer is the process."""
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass
    return os.getpid()


def test_a_task_over_its_cpu_time_is_killed_alone(start_pool: Callable[..., "PoolDriver"]) -> None:
    pool = start_pool(max_cpu_seconds=1)
    greedy, neighbour = pool.run(pool.assignment(burn, 1000), pool.assignment(time.sleep, 2.5))
    assert neighbour.failure is None
    assert greedy.failure is not None
    assert greedy.failure.kind is FailureKind.CRASHED
    for word in ("SIGXCPU", "1 s of CPU time", "max_cpu_seconds"):
        assert word in greedy.failure.message
    assert pool.works()


@in_sandbox_too
def test_each_task_has_cpu_time_of_its_own_and_a_child_that_used_much_is_replaced(
    start_pool: Callable[..., "PoolDriver"],
) -> None:
    pool = start_pool(workers=1, max_cpu_seconds=1)
    first, second = pool.value(burn, 0.8), pool.value(burn, 0.8)
    assert first == second
    while pool.value(os.getpid) == first:
        pool.value(time.sleep, 0.02)


def test_no_task_can_lift_the_last_limit_of_cpu_time(start_pool: Callable[..., "PoolDriver"]) -> None:
    assert start_pool(max_cpu_seconds=1).value(resource.getrlimit, resource.RLIMIT_CPU)[1] == 4
    told = [ChildExit(code=-signal.SIGKILL, cpu_seconds=used, cpu_limit=1).description for used in (3.6, 1.0)]
    assert ["ignored SIGXCPU (the worker's max_cpu_seconds is 1)" in text for text in told] == [True, False]


def open_many(count: int) -> int:
    return len([open(os.devnull) for _ in range(count)])


def write(size: int) -> int:
    with open("large", "wb", buffering=0) as file:
        return file.write(bytes(size)) + file.write(bytes(size))


@pytest.mark.parametrize(
    ("function", "within", "beyond", "text"),
    [
        (open_many, 10, 200, "Too many open files: '/dev/null'. The worker's max_open_files is 64."),
        (write, 1000, MIB, "File too large. The worker's max_file_size is 1048576 bytes."),
    ],
)
def test_a_limit_of_files_raises_an_error_in_the_task(
    start_pool: Callable[..., "PoolDriver"], function: Callable[[int], int], within: int, beyond: int, text: str
) -> None:
    pool = start_pool(max_open_files=64, max_file_size=MIB)
    result = pool.call(function, beyond)
    assert result.failure is not None
    assert (result.failure.kind, result.failure.type) == (FailureKind.EXCEPTION, "OSError")
    assert text in result.failure.message
    assert pool.value(function, within)
    assert pool.works()


def test_no_child_leaves_a_core_dump(pool: "PoolDriver") -> None:
    assert pool.value(resource.getrlimit, resource.RLIMIT_CORE) == (0, 0)


@in_sandbox_too
def test_a_childs_folder_is_its_own_and_goes_with_it(pool: "PoolDriver") -> None:
    def leave_a_file_and_die() -> None:
        with open(tempfile.mkstemp()[1], "w") as file:
            file.write("a secret of the task")
        os.write(1, tempfile.gettempdir().encode())
        os.kill(os.getpid(), signal.SIGKILL)

    assert stat.S_IMODE(os.stat(pool.value(tempfile.gettempdir)).st_mode) == 0o700
    folder = pool.call(leave_a_file_and_die).stdout.strip()
    assert folder.startswith(tempfile.gettempdir())
    pool.wait_until(lambda: not os.path.exists(folder))
