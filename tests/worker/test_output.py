"""What tasks print is caught, whoever prints it, bounded, and belongs to the task that printed it."""

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from mpcsfaas.worker.output import OutputFile

if TYPE_CHECKING:
    from tests.worker.conftest import PoolDriver


def print_both(text: str) -> None:
    print(text)  # noqa: T201
    print(text.upper(), file=sys.stderr)  # noqa: T201


def print_from_c() -> None:
    import ctypes

    ctypes.CDLL(None).printf(b"from C without a newline")


def print_from_a_program() -> None:
    import subprocess

    subprocess.run(["sh", "-c", "echo out; echo err >&2"], check=True)


def print_and_die(text: str) -> None:
    print(text, end="")  # noqa: T201
    os._exit(1)


def print_and_hang(text: str) -> None:
    import time

    print(text, end="")  # noqa: T201
    time.sleep(1000)


def flood() -> None:
    line = b"x" * 99 + b"\n"
    os.write(1, b"first\n")
    while True:
        os.write(1, line * 100)


def print_much() -> None:
    print("head" + "x" * 1_000_000 + "tail", end="")  # noqa: T201


def test_python_output_is_caught_by_stream(pool: "PoolDriver") -> None:
    result = pool.call(print_both, "hällo")
    assert (result.stdout, result.stderr) == ("hällo\n", "HÄLLO\n")


def test_a_task_gets_only_its_own_output(pool: "PoolDriver") -> None:
    results = pool.run(*(pool.assignment(print_both, str(number)) for number in range(50)))
    assert [result.stdout for result in results] == [f"{number}\n" for number in range(50)]
    assert pool.call(os.getpid).stdout == ""


def test_output_from_c_and_from_programs_is_caught(pool: "PoolDriver") -> None:
    assert pool.call(print_from_c).stdout == "from C without a newline"
    result = pool.call(print_from_a_program)
    assert (result.stdout, result.stderr) == ("out\n", "err\n")


def test_the_output_of_a_failed_task_is_kept(pool: "PoolDriver") -> None:
    assert pool.call(print_and_die, "last words").stdout == "last words"
    assert pool.call(print_and_hang, "still here", timeout=0.5).stdout == "still here"


def test_bytes_that_are_no_text_do_no_harm(pool: "PoolDriver") -> None:
    assert "\N{REPLACEMENT CHARACTER}" in pool.call(os.write, 1, b"\xff\n").stdout


def test_long_output_loses_its_middle(start_pool: Callable[..., "PoolDriver"]) -> None:
    pool = start_pool(max_output=1000)
    stdout = pool.call(print_much).stdout
    assert stdout.startswith("head")
    assert stdout.endswith("tail")
    assert f"[… {1_000_008 - 1000} bytes cut]" in stdout
    assert len(stdout) < 1100


def test_a_flood_is_cut_while_it_lasts(start_pool: Callable[..., "PoolDriver"]) -> None:
    pool = start_pool()
    result = pool.call(flood, timeout=1.0)
    assert result.stdout.startswith("first\n")
    assert " bytes cut]" in result.stdout
    assert len(result.stdout) < 70_000
    assert pool.works()


def test_shrinking_frees_what_will_not_be_read() -> None:
    output = OutputFile.create(limit=100)
    try:
        os.write(output.fileno(), b"head" + b"." * 10_000_000 + b"tail")
        before = os.fstat(output.fileno()).st_blocks
        output.shrink()
        assert os.fstat(output.fileno()).st_blocks < before / 100
        os.write(output.fileno(), b"end")
        text = output.take()
        assert text.startswith("head")
        assert text.endswith("tailend")
        assert output.take() == ""
    finally:
        output.close()


@pytest.mark.parametrize("limit", [0, 1, 7])
def test_small_limits_hold(limit: int) -> None:
    output = OutputFile.create(limit)
    try:
        os.write(output.fileno(), b"0123456789")
        assert f"[… {10 - limit} bytes cut]" in output.take()
    finally:
        output.close()
