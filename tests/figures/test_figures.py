"""The figures of the page, as properties: whatever ends, and whenever it is told."""

import math
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from mpcsfaas.figures import RATE_SLOTS, SLOT, SLOTS, Ended, Figures, ended_of
from mpcsfaas.figures.histogram import GROWTH, LEAST, Histogram
from mpcsfaas.model import AttemptRecord, State, TaskOptions, TaskRecord

NOW = 1_000_000.0
WINDOW = SLOT * (SLOTS - 1)
"""Seconds that the slots cover at least, wherever in the newest of them now is."""

durations = st.floats(min_value=LEAST, max_value=1e6)
shares = st.floats(min_value=0.001, max_value=1.0)
ends = st.builds(
    Ended,
    at=st.floats(min_value=NOW - WINDOW, max_value=NOW),
    state=st.sampled_from([State.COMPLETED, State.FAILED, State.CANCELLED]),
    function_id=st.sampled_from(["f", "g"]),
    latency=durations,
    run_time=st.none() | durations,
)


@given(st.lists(durations, min_size=1), shares)
def test_a_percentile_is_one_of_the_durations_within_half_a_bucket(values: list[float], share: float) -> None:
    histogram = Histogram()
    for value in values:
        histogram.add(value)
    exact = sorted(values)[math.ceil(share * len(values) - 1e-9) - 1]
    found = histogram.percentile(share)
    assert found is not None
    assert exact / math.sqrt(GROWTH) * 0.999 <= found <= exact * math.sqrt(GROWTH) * 1.001


@given(st.lists(durations), st.lists(durations), shares)
def test_parts_together_are_as_one(left: list[float], right: list[float], share: float) -> None:
    parts = [Histogram(), Histogram()]
    whole = Histogram()
    for part, values in zip(parts, (left, right), strict=True):
        for value in values:
            part.add(value)
            whole.add(value)
    assert Histogram.sum(parts).percentile(share) == whole.percentile(share)


@given(st.lists(durations, min_size=1), st.floats(min_value=1, max_value=100), shares)
def test_weights_that_are_all_alike_change_no_percentile(values: list[float], weight: float, share: float) -> None:
    light, heavy = Histogram(), Histogram()
    for value in values:
        light.add(value)
        heavy.add(value, weight)
    assert light.percentile(share) == heavy.percentile(share)


def test_of_nothing_there_is_no_percentile() -> None:
    assert Histogram().percentile(0.5) is None


@given(st.lists(st.lists(ends)))
def test_every_task_counts_once_in_the_slot_in_which_it_ended(batches: list[list[Ended]]) -> None:
    figures = Figures()
    for batch in batches:
        figures.note(batch, 1.0, NOW)
    tasks = [task for batch in batches for task in batch]
    series = figures.series(NOW)
    first = series.end // SLOT - SLOTS
    for state, values in [
        (State.COMPLETED, series.completed),
        (State.FAILED, series.failed),
        (State.CANCELLED, series.cancelled),
    ]:
        expected = Counter(int(task.at // SLOT) - first for task in tasks if task.state is state)
        assert [value * SLOT for value in values] == [expected[number] for number in range(SLOTS)]


@given(st.lists(ends), st.floats(min_value=1, max_value=50))
def test_a_sample_stands_for_as_many_as_its_weight_says(tasks: list[Ended], weight: float) -> None:
    figures = Figures()
    figures.note(tasks, weight, NOW)
    together = sum(figures.series(NOW).completed) * SLOT
    assert math.isclose(together, weight * sum(task.state is State.COMPLETED for task in tasks), abs_tol=1e-6)


@given(st.lists(ends))
def test_the_figures_of_functions_add_up_to_all(tasks: list[Ended]) -> None:
    figures = Figures()
    figures.note(tasks, 1.0, NOW)
    of_functions = figures.functions(NOW)
    counted = [task for task in tasks if task.state is not State.CANCELLED]
    assert of_functions.keys() == {task.function_id for task in counted}
    assert sum(one.ended for one in of_functions.values()) == len(counted)
    assert sum(one.failed for one in of_functions.values()) == sum(task.state is State.FAILED for task in counted)


@given(st.lists(ends))
def test_what_has_passed_is_forgotten(tasks: list[Ended]) -> None:
    figures = Figures()
    figures.note(tasks, 1.0, NOW)
    later = NOW + SLOT * SLOTS
    assert not any(figures.series(later).completed)
    assert figures.latency(later).p50 is None
    assert figures.functions(later) == {}


def test_what_ended_before_the_slots_or_by_a_clock_that_is_ahead() -> None:
    figures = Figures()
    old = Ended(NOW - SLOT * SLOTS - 1, State.COMPLETED, "f", 1.0, None)
    figures.note([old, old._replace(at=NOW + 3600)], 1.0, NOW)
    assert figures.series(NOW).completed[-1] == 1 / SLOT
    assert sum(figures.series(NOW).completed) == 1 / SLOT


def test_the_rate_is_of_slots_that_are_over() -> None:
    figures = Figures()
    task = Ended(NOW - SLOT, State.COMPLETED, "f", 1.0, None)
    figures.note([task] * 30, 1.0, NOW)
    figures.note([task._replace(at=NOW)], 1.0, NOW)
    assert figures.rate(NOW) == 30 / (SLOT * RATE_SLOTS)


def test_depth_is_known_where_somebody_looked() -> None:
    figures = Figures()
    figures.note_depth(7, 2, NOW)
    later = figures.series(NOW + 2 * SLOT)
    assert later.queued[-4:] == [None, 7, None, None]
    assert later.running[-4:] == [None, 2, None, None]


def test_what_counts_of_a_record() -> None:
    last = AttemptRecord(2, started_at=NOW + 3, finished_at=NOW + 5)
    record = TaskRecord("t", "f", "json", State.RUNNING, NOW, TaskOptions())
    assert ended_of(record) is None
    done = TaskRecord(
        "t", "f", "json", State.FAILED, NOW, TaskOptions(), finished_at=NOW + 6, history=(AttemptRecord(1), last)
    )
    assert ended_of(done) == Ended(NOW + 6, State.FAILED, "f", 6.0, 2.0)
    lost = TaskRecord("t", "f", "json", State.FAILED, NOW, TaskOptions(), finished_at=NOW + 6)
    assert ended_of(lost) == Ended(NOW + 6, State.FAILED, "f", 6.0, None)
