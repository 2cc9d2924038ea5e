"""The judgement of the experiments finds every kind of broken promise: one wrong history for each."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from msgspec.structs import replace

from mpcsfaas.model import AttemptRecord, Failure, FailureKind, State, TaskOptions, TaskRecord
from mpcsfaas.testing.experiment import Outcome, violations
from mpcsfaas.testing.ledger import Entry, Ledger
from mpcsfaas.testing.platform import wait_until_gone

LOST = AttemptRecord(1, failure=Failure(FailureKind.WORKER_LOST, "gone"))


class Story(NamedTuple):
    """What a ledger and the platform say of two tasks: `calm` ran once, `hit` was lost and ran again."""

    runs: list[tuple[str, int, str]]
    records: list[TaskRecord]
    values: list[Entry | None]


def record(name: str, *history: AttemptRecord) -> TaskRecord:
    losses = sum(attempt.failure is not None for attempt in history)
    options = TaskOptions()
    return TaskRecord(
        name.upper(), "f", "dill", State.COMPLETED, 0.0, options, len(history), losses=losses, history=history
    )


def true_story() -> Story:
    runs = [
        ("calm", 1, "began"), ("hit", 2, "began"), ("calm", 1, "ended"), ("hit", 3, "began"), ("hit", 3, "ended"),
    ]  # fmt: skip
    records = [record("calm", AttemptRecord(1)), record("hit", LOST, AttemptRecord(2))]
    return Story(runs, records, [Entry("calm", 1), Entry("hit", 3)])


def judge(story: Story, folder: Path) -> list[str]:
    ledger = Ledger(folder / "ledger")
    ledger.path.write_text("".join(f"{name} {pid} {time.time()} {event}\n" for name, pid, event in story.runs))
    outcomes = [Outcome(*pair) for pair in zip(story.records, story.values, strict=True)]
    return violations({"calm": "CALM", "hit": "HIT"}, outcomes, ledger, untouched=["calm"])


def lose_a_record(story: Story) -> None:
    del story.records[1], story.values[1]


def double_a_record(story: Story) -> None:
    story.records.append(story.records[1])
    story.values.append(story.values[1])


def invent_a_record(story: Story) -> None:
    story.records.append(record("other", AttemptRecord(1)))
    story.values.append(Entry("other", 1))


def invent_a_run(story: Story) -> None:
    story.runs.append(("other", 4, "began"))


def never_end(story: Story) -> None:
    story.records[1] = replace(story.records[1], state=State.RUNNING)


def fail(story: Story) -> None:
    story.records[1] = replace(story.records[1], state=State.FAILED)


def return_what_another_run_would_have(story: Story) -> None:
    story.values[1] = Entry("hit", 2)


def return_what_another_task_did(story: Story) -> None:
    story.values[1] = Entry("calm", 1)


def never_run(story: Story) -> None:
    story.runs[:] = [run for run in story.runs if run[0] != "hit"]


def run_too_often(story: Story) -> None:
    story.runs.append(("hit", 4, "began"))


def run_an_untouched_one_twice(story: Story) -> None:
    story.runs.extend([("calm", 4, "began"), ("calm", 4, "ended")])
    story.records[0] = record("calm", LOST, AttemptRecord(2))


def lose_an_untouched_one(story: Story) -> None:
    story.records[0] = record("calm", LOST, AttemptRecord(2))


def succeed_twice(story: Story) -> None:
    story.records[1] = record("hit", AttemptRecord(1), AttemptRecord(2))


def count_an_attempt_twice(story: Story) -> None:
    story.records[1] = record("hit", LOST, LOST, AttemptRecord(2))


WRONGS: dict[Callable[[Story], None], str] = {
    lose_a_record: "hit has 0 records",
    double_a_record: "hit has 2 records",
    invent_a_record: "OTHER was never submitted",
    invent_a_run: "other ran, but was never submitted",
    never_end: "hit is RUNNING",
    fail: "hit is FAILED",
    return_what_another_run_would_have: "hit has the value",
    return_what_another_task_did: "hit has the value",
    never_run: "hit never ran",
    run_too_often: "hit ran 3 times for 1 redeliveries",
    run_an_untouched_one_twice: "calm was not touched, but ran 2 times",
    lose_an_untouched_one: "calm was not touched, but ran 1 times and was lost 1 times",
    succeed_twice: "hit succeeded 2 times",
    count_an_attempt_twice: "hit has a history of attempts [1, 1, 2]",
}


def test_a_true_story_is_believed(tmp_path: Path) -> None:
    assert judge(true_story(), tmp_path) == []


@pytest.mark.parametrize("wrong", WRONGS, ids=lambda wrong: wrong.__name__)
def test_a_wrong_story_is_not(wrong: Callable[[Story], None], tmp_path: Path) -> None:
    story = true_story()
    wrong(story)
    assert any(violation.startswith(WRONGS[wrong]) for violation in judge(story, tmp_path)), judge(story, tmp_path)


def test_a_process_that_stays_is_found() -> None:
    with pytest.raises(TimeoutError, match="the end of the cluster"):
        wait_until_gone([os.getpid()], 0.05, "the cluster")
