"""Whoever looks sees how far long work is; a script sees nothing of it."""

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpcsfaas.cli.batches import BATCH, in_batches
from mpcsfaas.testing.command_line import CommandLine
from mpcsfaas.testing.platform import PlatformProcess
from mpcsfaas.testing.terminal import Terminal

UNKNOWN = "01890000-0000-7000-8000-{:012}"
MANY = [UNKNOWN.format(number) for number in range(BATCH + 1)]


@pytest.mark.parametrize(
    ("words", "end"),
    [
        (["cancel", *MANY], b"501/501"),
        (["tasks", "retry", *MANY], b"501/501"),
        (["bench", "--tasks", "10", "--calls", "3"], b"3/3"),
    ],
    ids=["cancel", "retry", "bench"],
)
def test_a_terminal_shows_progress(folder: Path, platform: PlatformProcess, words: list[str], end: bytes) -> None:
    terminal = Terminal([sys.executable, "-m", "mpcsfaas", *words], folder)
    try:
        terminal.wait_for(end)
    finally:
        terminal.close()


def test_a_script_sees_nothing_of_it(mpcsfaas: CommandLine) -> None:
    output, errors = mpcsfaas("cancel", *MANY, code=1)
    assert output.splitlines() == [f"{task_id} unknown" for task_id in MANY]
    assert errors == ""


@given(st.integers(0, 3 * BATCH))
def test_each_id_gets_its_answer_in_order(count: int) -> None:
    ids, sizes = [str(number) for number in range(count)], []

    def perform(batch: Sequence[str]) -> list[int]:
        sizes.append(len(batch))
        return [int(one) for one in batch]

    assert in_batches(ids, perform) == list(range(count))
    assert all(0 < size <= BATCH for size in sizes)
