"""Frames of `mpcsfaas top`: pure functions of what was seen, and of the room for it."""

import io
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from mpcsfaas.cli.top.look import Look, TaskRow
from mpcsfaas.cli.top.view import BLOCKS, LATE, frame, shares, sparkline
from mpcsfaas.client.records import Dispatcher, Statistics, Worker
from mpcsfaas.figures import Latency

NOW = 1_800_000_000.0
TASK = "01a210f6-0e3c-7681-9f38-c7aaa711fa2c"
WORKER = Worker("gpu-1", "host-a", 17, 4, 3, ["gpu"], "3.11.7", NOW - 0.4)
RUNNING = TaskRow(TASK, "resize", NOW - 3, None, 1)
FAILED = TaskRow(TASK, "parse", NOW - 9, NOW - 8, 2, "exception: no date")
LOOK = Look(
    at=NOW,
    url="http://127.0.0.1:8000",
    counts=Statistics(1204, 3, 10, 2, 0, 7, 0, NOW - 5),
    rate=531.4,
    rate_is_bound=False,
    latency=Latency(0.0031, 0.04, 1.5),
    trend=[0.0, 1.0, 2.0],
    dispatchers=[Dispatcher("d", "host-a", 1, "push", NOW, [WORKER])],
    refusal="",
    running=[RUNNING],
    failed=[FAILED],
)
COUNTS_OF_A_TENANT = Statistics(2, 1, None, None, None, 1, None, None, at_least=True)


def drawn(look: Look, width: int, height: int | None = None, trouble: str = "") -> list[str]:
    console = Console(file=io.StringIO(), width=width, height=1000, color_system=None, legacy_windows=False)
    with console.capture() as capture:
        console.print(frame(look, width, height, trouble))
    return capture.get().splitlines()


@pytest.mark.parametrize("width", [80, 120, 200])
def test_a_frame_has_everything_at_every_width(width: int) -> None:
    lines = drawn(LOOK, width)
    assert max(map(len, lines)) <= width
    text = "\n".join(lines)
    figures = ["1,204", "oldest 5.0 s", "3 of 4 slots", "531 tasks/s", "2 failed in all", "p50  3.10 ms", "p99  1.5 s"]
    for said in [
        *figures,
        "gpu-1",
        "■■■□ 3",
        "400 ms ago",
        TASK,
        "resize",
        "parse",
        "8.0 s",
        "exception: no",
        "q quits",
    ]:
        assert said in text
    assert ("host-a" in text) is (width >= 120)


@pytest.mark.parametrize("width", [80, 120, 200])
def test_an_idle_platform_has_empty_sections(width: int) -> None:
    idle = msgspec.structs.replace(
        LOOK, counts=Statistics(), latency=Latency(None, None, None), dispatchers=[], running=[], failed=[], trend=[]
    )
    text = "\n".join(drawn(idle, width))
    assert "nothing waits" in text
    assert "no dispatcher is alive. Start one: mpcsfaas dispatcher" in text


def test_a_key_without_admin_sees_its_tenants_and_is_told_the_rest() -> None:
    refusal = "This needs the scope admin"
    look = msgspec.structs.replace(
        LOOK, counts=COUNTS_OF_A_TENANT, rate_is_bound=True, dispatchers=None, refusal=refusal
    )
    text = "\n".join(drawn(look, 120))
    for said in [refusal, "2 or more", "this tenant's", "≥ 531 tasks/s"]:
        assert said in text
    assert "failed in all" not in text


def test_trouble_stands_on_top() -> None:
    assert drawn(LOOK, 120, trouble="No news: it is away")[0].startswith("No news: it is away")


def test_what_tasks_say_cannot_command_the_terminal() -> None:
    rude = msgspec.structs.replace(
        LOOK, failed=[msgspec.structs.replace(FAILED, reason="\x1b[2J\x07\u202egone", function="a\nb\x9b")]
    )
    text = "".join(drawn(rude, 200))
    assert text.isprintable()
    assert "gone" in text


@pytest.mark.parametrize(("silence", "is_red"), [(LATE - 1, False), (LATE + 1, True)])
def test_a_worker_that_is_late_is_red(silence: float, is_red: bool) -> None:
    worker = msgspec.structs.replace(WORKER, last_seen=NOW - silence)
    look = msgspec.structs.replace(LOOK, dispatchers=[Dispatcher("d", "h", 1, "push", NOW, [worker])])
    console = Console(file=io.StringIO(), width=120, color_system="standard", force_terminal=True, no_color=False)
    with console.capture() as capture:
        console.print(frame(look, 120))
    assert (f"\x1b[31m{silence:.1f} s ago" in capture.get()) is is_red


@settings(deadline=None, max_examples=25)
@given(
    lists=st.tuples(*[st.integers(0, 60)] * 3),
    width=st.integers(60, 220),
    height=st.integers(19, 80),
    slots=st.integers(0, 99),
)
def test_a_frame_keeps_to_its_room(lists: tuple[int, int, int], width: int, height: int, slots: int) -> None:
    workers, running, failed = lists
    look = msgspec.structs.replace(
        LOOK,
        dispatchers=[Dispatcher("d", "h", 1, "push", NOW, [Worker("w", "h", 1, slots, slots)] * workers)],
        running=[RUNNING] * running,
        failed=[FAILED] * failed,
    )
    lines = drawn(look, width, height)
    assert len(lines) <= height
    assert max(map(len, lines)) <= width


@given(st.integers(0, 100), st.lists(st.integers(1, 40), min_size=1, max_size=5))
def test_lines_are_shared_fairly(room: int, wants: list[int]) -> None:
    given_lines = shares(room, wants)
    assert all(1 <= lines <= want for lines, want in zip(given_lines, wants, strict=True))
    assert sum(given_lines) == max(len(wants), min(room, sum(wants)))
    unmet = [lines for lines, want in zip(given_lines, wants, strict=True) if lines < want]
    assert max(unmet, default=0) - min(unmet, default=0) <= 1


@given(st.lists(st.floats(0, 1e9), max_size=50))
def test_a_sparkline_has_a_bar_a_value(values: list[float]) -> None:
    line = sparkline(values)
    assert len(line) == len(values)
    assert set(line) <= set(BLOCKS)
    if any(values):
        assert line[values.index(max(values))] == BLOCKS[-1]


def test_slots_without_number_are_drawn_in_proportion() -> None:
    look: Any = msgspec.structs.replace(
        LOOK, dispatchers=[Dispatcher("d", "h", 1, "push", NOW, [Worker("w", "h", 1, slots=64, busy=32)])]
    )
    assert "■■■■■□□□□□ 32" in "\n".join(drawn(look, 120))
