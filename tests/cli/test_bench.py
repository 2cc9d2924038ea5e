"""`mpcsfaas bench`, and the hops of a task's way."""

from hypothesis import given
from hypothesis import strategies as st

from mpcsfaas.cli.hops import HOPS, attempt_hops, median_hops, task_hops
from mpcsfaas.model import AttemptRecord, State, TaskOptions, TaskRecord
from mpcsfaas.testing.command_line import CommandLine

MOMENTS = st.lists(st.floats(1.0, 1e6), min_size=6, max_size=6).map(sorted)


def record_of(moments: list[float]) -> TaskRecord:
    created_at, claimed_at, sent_at, started_at, finished_at, ended_at = moments
    attempt = AttemptRecord(1, "w", claimed_at, sent_at, started_at, finished_at)
    return TaskRecord(
        id="t",
        function_id="f",
        serializer="json",
        state=State.COMPLETED,
        created_at=created_at,
        finished_at=ended_at,
        attempt=1,
        options=TaskOptions(),
        history=(attempt,),
    )


@given(MOMENTS)
def test_the_hops_make_up_the_whole_way(moments: list[float]) -> None:
    hops = task_hops(record_of(moments))
    assert [hop.name for hop in hops] == list(HOPS)
    assert abs(sum(hop.seconds for hop in hops) - (moments[-1] - moments[0])) < 1e-6
    assert attempt_hops(record_of(moments).history[0]) == hops[1:4]


def test_unknown_moments_have_no_hops_and_clocks_that_differ_no_negative_ones() -> None:
    assert [hop.name for hop in attempt_hops(AttemptRecord(1, "w", 5.0, 0.0, 6.0, 7.0))] == ["ran"]
    assert [hop.seconds for hop in attempt_hops(AttemptRecord(1, "w", 5.0, 4.0, 6.0, 7.0))] == [0.0, 2.0, 1.0]


def test_medians_are_taken_hop_by_hop() -> None:
    records = [record_of([1, 2, 3, 4, 5, 6]), record_of([1, 2, 4, 5, 6, 9]), record_of([1, 5, 6, 7, 8, 9])]
    assert [(hop.name, hop.seconds) for hop in median_hops(records)] == [
        ("queued", 1.0),
        ("sent", 1.0),
        ("started", 1.0),
        ("ran", 1.0),
        ("stored", 1.0),
    ]


def test_bench_measures_and_says_where_the_time_went(mpcsfaas: CommandLine) -> None:
    report = mpcsfaas.json("bench", "--tasks", "200", "--calls", "5")
    assert (report["slots"], report["tasks"], report["calls"]) == (2, 200, 5)
    assert report["tasks_per_second"] > 0
    assert 0 < report["p50"] <= report["p99"]
    assert report["hops"].keys() == {*HOPS, "elsewhere"}
    assert sum(report["hops"].values()) >= 0.999 * report["p50"]


def test_bench_prints_it_for_people(mpcsfaas: CommandLine) -> None:
    printed, _ = mpcsfaas("bench", "--tasks", "50", "--calls", "2")
    assert printed.startswith("50 empty tasks on 2 processes: ")
    assert "2 calls, one after the other: median " in printed
    assert {line.split()[0] for line in printed.splitlines()[4:]} == {*HOPS, "elsewhere"}
