"""`mpcsfaas top` of a real platform, on a real terminal."""

import signal
import sys
import termios
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpcsfaas.cli.top.look import SAMPLE, Sampler, is_cut
from mpcsfaas.model import State, TaskOptions, TaskRecord
from mpcsfaas.testing.command_line import CommandLine
from mpcsfaas.testing.platform import PlatformProcess
from mpcsfaas.testing.terminal import Terminal

TOP = [sys.executable, "-m", "mpcsfaas", "top"]
OTHER_SCREEN, BACK, CURSOR = b"\x1b[?1049h", b"\x1b[?1049l", b"\x1b[?25h"
PATIENCE = 30.0


@pytest.fixture
def terminal(folder: Path, platform: PlatformProcess) -> Iterator[Terminal]:
    terminal = Terminal([*TOP, "--url", platform.url, "--interval", "0.2"], folder)
    yield terminal
    terminal.close()


@pytest.mark.parametrize("end", [b"q", b"\x03", signal.SIGTERM])
def test_it_leaves_the_terminal_as_it_was(terminal: Terminal, end: Any) -> None:
    shown = terminal.wait_for(OTHER_SCREEN)
    terminal.wait_for(b"Latest failures", shown)
    if isinstance(end, bytes):
        terminal.type(end)
    else:
        terminal.process.send_signal(end)
    left = terminal.wait_for(BACK, shown)
    assert terminal.process.wait(PATIENCE) == (0 if isinstance(end, bytes) else 128 + end)
    assert CURSOR in terminal.output[shown:]
    assert termios.tcgetattr(terminal.terminal) == terminal.before
    assert b"Traceback" not in terminal.output[left - len(BACK) :]


def test_it_follows_the_size_and_goes_on_when_the_gateway_is_away(tmp_path: Path) -> None:
    with PlatformProcess(tmp_path, command="serve") as gateway:
        terminal = Terminal([*TOP, "--url", gateway.url, "--interval", "0.2"], tmp_path)
        try:
            narrow = terminal.wait_for(b"no dispatcher is alive")
            assert b"\xe2\x94\x80" * 60 not in terminal.output
            terminal.resize(300, 50)
            wide = terminal.wait_for(b"\xe2\x94\x80" * 60, narrow)
            gateway.kill()
            terminal.wait_for(b"No news: ", wide)
            terminal.type(b"q")
            terminal.wait_for(BACK, wide)
            assert terminal.process.wait(PATIENCE) == 0
        finally:
            terminal.close()


def test_one_frame_is_printed_where_there_is_no_terminal(mpcsfaas: CommandLine, platform: PlatformProcess) -> None:
    mpcsfaas("run", "jobs.py:fail", "no date", code=1)
    for words in ([], ["--once"]):
        lines = mpcsfaas("top", *words, COLUMNS="100").output.splitlines()
        assert max(map(len, lines)) <= 100
        text = "\n".join(lines)
        for said in (platform.url, "of 2 slots", "exception: no date", "Running"):
            assert said in text
        assert "\x1b" not in text


def test_a_look_is_printed_as_json(mpcsfaas: CommandLine) -> None:
    mpcsfaas("run", "jobs.py:add", "1")
    look = mpcsfaas.json("top")
    assert look["counts"]["completed"] >= 1
    assert look["latency"]["p50"] > 0
    assert look["dispatchers"][0]["workers"]


def test_without_admin_it_says_what_is_not_shown(tmp_path: Path) -> None:
    user = CommandLine(tmp_path)
    storage = f"sqlite:///{tmp_path}/tasks.db"
    key = user("keys", "create", "--storage", storage).output.strip()
    with PlatformProcess(tmp_path, command="serve") as gateway:
        text = user("top", "--once", "--url", gateway.url, MPCSFAAS_API_KEY=key).output
        assert "This needs the scope admin" in " ".join(text.split())
        assert "this tenant's" in text
        assert "API key" in user.error("top", "--once", "--url", gateway.url, code=1)


def test_an_interval_of_nothing_is_wrong_usage(alone: CommandLine) -> None:
    assert "--interval" in alone.error("top", "--interval", "0", code=2)


def records(ids: Sequence[str], finished_at: float = 2.0) -> list[TaskRecord]:
    return [TaskRecord(one, "f", "dill", State.COMPLETED, 1.0, TaskOptions(), finished_at=finished_at) for one in ids]


@given(st.lists(st.integers(0, 40), min_size=1, max_size=10), st.integers(1, 15))
def test_a_sample_stands_for_all_that_ended(batches: list[int], size: int) -> None:
    sampler, ended, counted = Sampler(), ["first"], 0.0
    sampler.news(records(ended), len(ended))
    for batch in batches:
        ended = [str(len(ended) + number) for number in range(batch)][::-1] + ended
        news, weight = sampler.news(records(ended[:size]), len(ended))
        counted += len(news) * weight
    assert counted == pytest.approx(len(ended) - 1)


def test_without_counts_each_stands_for_itself() -> None:
    sampler = Sampler()
    assert len(sampler.news(records(["a", "b"]), None)[0]) == 2
    assert sampler.news(records(["c", "a"]), None)[1] == 1.0


def test_a_full_page_of_the_last_moments_is_a_lower_bound() -> None:
    full = records([str(number) for number in range(SAMPLE)], finished_at=99.0)
    assert is_cut(full, 100.0)
    assert not is_cut(full[:-1], 100.0)
    assert not is_cut([*full, *records(["old"], finished_at=1.0)], 100.0)
