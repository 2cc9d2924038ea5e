"""Lists are cut so that no frame is too large, and nothing is lost or moved."""

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpcsfaas import wire
from mpcsfaas.model import AttemptResult, Function
from mpcsfaas.wire import BATCH_BYTES, MAX_FRAME, MAX_ITEMS, Functions, Job, Jobs, Results, batches, encode

SIZES = st.lists(st.sampled_from([0, 1, 1000, BATCH_BYTES // 3, BATCH_BYTES // 2, BATCH_BYTES, 2 * BATCH_BYTES]))


def jobs(sizes: Sequence[int]) -> list[Job]:
    return [Job(f"task-{number}", 1, "function", bytes(size), "dill") for number, size in enumerate(sizes)]


@settings(max_examples=30)
@given(SIZES)
def test_nothing_is_lost_or_moved_and_no_batch_is_empty(sizes: list[int]) -> None:
    items = jobs(sizes)
    cut = list(batches(items))

    assert [job for batch in cut for job in batch] == items
    assert all(cut)


@settings(max_examples=30)
@given(SIZES)
def test_a_batch_is_only_over_the_aim_when_a_single_item_is(sizes: list[int]) -> None:
    totals = [[len(job.payload) for job in batch] for batch in batches(jobs(sizes))]

    assert all(sum(batch) <= BATCH_BYTES or len(batch) == 1 for batch in totals)
    assert all(sum(a) + b[0] > BATCH_BYTES for a, b in pairwise(totals))


def test_batches_never_outnumber_what_a_message_can_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "MAX_ITEMS", 3)

    assert [len(batch) for batch in batches(jobs([0] * 8))] == [3, 3, 2]


def test_the_frames_are_far_below_the_limit_even_if_the_small_parts_are_as_large_as_they_get() -> None:
    name = "x" * 256
    job = Job(name, 1, name, bytes(BATCH_BYTES // MAX_ITEMS), name)

    assert len(encode(Jobs(1, (job,) * 1000))) * MAX_ITEMS / 1000 < MAX_FRAME


def test_output_and_results_and_functions_are_measured_too() -> None:
    half = BATCH_BYTES // 2 + 1
    result = AttemptResult("task", 1, stdout="x" * half)
    function = Function("id", "name", bytes(half), "dill", 0.0)

    assert [Results("w", batch) for batch in batches([result, result])] == [Results("w", (result,))] * 2
    assert [Functions(batch) for batch in batches([function, function])] == [Functions((function,))] * 2
    assert len(list(batches([AttemptResult("task", 1, bytes(half)), AttemptResult("task", 2, stderr="x" * half)]))) == 2
