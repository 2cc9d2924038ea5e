"""`mpcsfaas tasks`, `result`, `logs` and `cancel`."""

import time
from pathlib import Path
from typing import Any

import pytest

from mpcsfaas.testing.command_line import CommandLine

UNKNOWN = "01890000-0000-7000-8000-000000000000"


@pytest.fixture(scope="module")
def submitted(mpcsfaas: CommandLine) -> list[str]:
    """Five tasks of one function, of which the last failed; oldest first."""
    mpcsfaas("fn", "register", "jobs.py:fail", "--name", "listed")
    ids = [mpcsfaas.json("run", "listed", "why", code=1)["id"] for _ in range(3)]
    mpcsfaas("fn", "register", "jobs.py:add", "--name", "counted")
    return ids + [mpcsfaas.json("run", "counted", "1")["id"] for _ in range(2)]


def ids(page: Any) -> list[str]:
    return [item["id"] for item in page["items"]]


def test_tasks_are_listed_newest_first(mpcsfaas: CommandLine, submitted: list[str]) -> None:
    assert ids(mpcsfaas.json("tasks"))[:5] == submitted[::-1]
    header, row, *_ = mpcsfaas("tasks", "--limit", "1")[0].splitlines()
    assert header.split() == ["id", "state", "function", "accepted", "took", "attempts", "failure"]
    assert row.split()[:3] == [submitted[-1], "COMPLETED", "counted"]


def test_tasks_are_filtered(mpcsfaas: CommandLine, submitted: list[str]) -> None:
    assert ids(mpcsfaas.json("tasks", "--function", "listed")) == submitted[2::-1]
    assert ids(mpcsfaas.json("tasks", "--function", "listed", "--state", "completed")) == []
    failed = mpcsfaas.json("tasks", "--failed")["items"]
    assert {item["state"] for item in failed} == {"FAILED"}
    assert "exception: why" in mpcsfaas("tasks", "--failed", "--function", "listed")[0]


def test_a_cursor_goes_on(mpcsfaas: CommandLine, submitted: list[str]) -> None:
    first = mpcsfaas.json("tasks", "--function", "listed", "--limit", "2")
    rest = mpcsfaas.json("tasks", "--function", "listed", "--cursor", first["cursor"])
    assert ids(first) + ids(rest) == submitted[2::-1]
    assert f"add --cursor {first['cursor']}" in mpcsfaas("tasks", "--function", "listed", "--limit", "2")[1]


def test_a_task_is_shown_with_its_attempts(mpcsfaas: CommandLine, submitted: list[str]) -> None:
    shown, _ = mpcsfaas("tasks", "show", submitted[0])
    assert shown.splitlines()[0].split() == ["id", submitted[0]]
    assert "listed (" in shown
    assert "exception: why" in shown
    assert "raise ValueError(why)" in shown
    assert "hops" in shown
    assert "queued " in shown
    assert "stored " in shown


def test_a_task_of_a_removed_function_is_shown(mpcsfaas: CommandLine) -> None:
    function_id = mpcsfaas("fn", "register", "jobs.py:add", "--name", "removed")[0].strip()
    task_id = mpcsfaas.json("run", "removed", "1")["id"]
    mpcsfaas("fn", "rm", function_id)
    assert function_id in mpcsfaas("tasks", "show", task_id)[0]


def test_a_result_before_the_end_is_an_error(mpcsfaas: CommandLine) -> None:
    task_id = mpcsfaas("run", "jobs.py:nap", "60", "--no-wait")[0].strip()
    assert "it goes on" in mpcsfaas.error("result", task_id, code=1)
    assert "it goes on" in mpcsfaas.error("result", task_id, "--wait", "--timeout", "0.2", code=1)
    assert mpcsfaas("cancel", task_id)[0] == f"{task_id} CANCELLED\n"
    assert "was cancelled" in mpcsfaas.error("result", task_id, code=1)
    assert mpcsfaas.json("result", task_id, code=1)["state"] == "CANCELLED"


def test_a_result_is_printed_again(mpcsfaas: CommandLine, submitted: list[str]) -> None:
    assert mpcsfaas("result", submitted[-1])[0] == "102\n"
    assert "ValueError: why" in mpcsfaas.error("result", submitted[0], code=1)


def test_who_stops_waiting_is_told_how_to_go_on(mpcsfaas: CommandLine) -> None:
    process = mpcsfaas.start("run", "jobs.py:nap", "60")
    while not (running := ids(mpcsfaas.json("tasks", "--state", "RUNNING"))):
        time.sleep(0.05)
    process.send_signal(2)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 1
    assert f"or stop it with `mpcsfaas cancel {running[0]}`" in errors
    mpcsfaas("cancel", running[0])


def test_logs_go_to_the_outputs_they_came_from(mpcsfaas: CommandLine) -> None:
    task_id = mpcsfaas.json("run", "jobs.py:chatter")["id"]
    assert mpcsfaas("logs", task_id) == ("to the output\n", "to the errors\n")
    assert mpcsfaas.json("logs", task_id)["stdout"] == "to the output\n"


def test_logs_are_followed_attempt_by_attempt_until_the_end(mpcsfaas: CommandLine, tmp_path: Path) -> None:
    first = mpcsfaas("run", "jobs.py:talk", str(tmp_path / "mark"), "--no-wait", "--retries", "1")[0].strip()
    second = mpcsfaas("run", "jobs.py:chatter", "--no-wait")[0].strip()
    following = mpcsfaas.start("logs", "-f", first)
    assert following.stdout
    assert following.stdout.readline() == "attempt 1\n"
    assert mpcsfaas.json("tasks", "show", first)["state"] in ("QUEUED", "RUNNING")
    (tmp_path / "mark").touch()
    output, errors = following.communicate(timeout=30)
    assert (output, following.returncode) == ("attempt 2\n", 0)
    assert errors.splitlines() == [
        f"==> {first}, attempt 1, failed: exception <==",
        f"==> {first}, attempt 2, completed <==",
    ]
    output, errors = mpcsfaas("logs", "-f", first, second)
    assert output == "attempt 2\nto the output\n"
    assert errors.splitlines()[1:] == [f"==> {second}, attempt 1, completed <==", "to the errors"]


def test_one_attempt_is_followed_without_a_heading(mpcsfaas: CommandLine) -> None:
    task_id = mpcsfaas("run", "jobs.py:chatter", "--no-wait")[0].strip()
    assert mpcsfaas("logs", "--follow", task_id) == ("to the output\n", "to the errors\n")
    assert "not found" in mpcsfaas.error("logs", "-f", UNKNOWN, code=1)


def test_cancelling_tells_each_state(mpcsfaas: CommandLine, submitted: list[str]) -> None:
    output, _ = mpcsfaas("cancel", submitted[-1], UNKNOWN, code=1)
    assert output.splitlines() == [f"{submitted[-1]} COMPLETED", f"{UNKNOWN} unknown"]


@pytest.mark.parametrize("command", [("tasks", "show"), ("result",), ("logs",)])
def test_an_unknown_task_is_not_found(mpcsfaas: CommandLine, command: tuple[str, ...]) -> None:
    assert f"{UNKNOWN} not found" in mpcsfaas.error(*command, UNKNOWN, code=1)


@pytest.mark.parametrize("words", ["result x", "cancel x", "tasks --state odd", "tasks --limit 0"])
def test_malformed_words_are_wrong_usage(alone: CommandLine, words: str) -> None:
    assert "Invalid value" in alone.error(*words.split(), code=2)


def test_a_failed_task_is_done_again(mpcsfaas: CommandLine, tmp_path: Path) -> None:
    old = mpcsfaas.json("run", "jobs.py:fail_once", str(tmp_path / "mark"), code=1)["id"]
    output, _ = mpcsfaas("tasks", "retry", old)
    new = output.split()[2]
    assert output == f"{old} → {new} QUEUED\n"
    assert mpcsfaas("result", new, "--wait")[0] == "done\n"
    assert f"retry of    {old}" in mpcsfaas("tasks", "show", new)[0]
    shown = mpcsfaas("tasks", "show", old)[0]
    assert f"retried as  {new} (COMPLETED)" in shown
    assert shown.count("exception: the first time") == 2  # of the task, and of its attempt
    assert mpcsfaas("tasks", "retry", old)[0] == f"{old} → {new} COMPLETED\n"
    assert mpcsfaas.json("result", old, code=1)["state"] == "FAILED"


def test_all_failed_tasks_of_a_function_are_done_again_once(mpcsfaas: CommandLine) -> None:
    mpcsfaas("fn", "register", "jobs.py:fail", "--name", "dead")
    old = [mpcsfaas.json("run", "dead", "why", code=1)["id"] for _ in range(3)]
    retries = mpcsfaas.json("tasks", "retry", "--all", "--function", "dead")
    assert [each["id"] for each in retries] == old
    for each in retries:
        assert "ValueError: why" in mpcsfaas.error("result", each["retry"], "--wait", code=1)
    again = mpcsfaas.json("tasks", "retry", "--all", "--function", "dead")
    assert [each["id"] for each in again] == old + [each["retry"] for each in retries]
    assert [(each["retry"], each["state"]) for each in again[:3]] == [(each["retry"], "FAILED") for each in retries]
    assert len(ids(mpcsfaas.json("tasks", "--function", "dead"))) == 9


def test_what_cannot_be_done_again_is_told(mpcsfaas: CommandLine, submitted: list[str]) -> None:
    output, _ = mpcsfaas("tasks", "retry", submitted[-1], UNKNOWN, code=1)
    assert f"{submitted[-1]} Task {submitted[-1]} is COMPLETED" in output
    assert f"{UNKNOWN} not found" in output


@pytest.mark.parametrize("words", [[], ["--all", UNKNOWN], ["--function", "f"], [UNKNOWN, "--function", "f"]])
def test_a_retry_names_tasks_or_all(alone: CommandLine, words: list[str]) -> None:
    assert "--all" in alone.error("tasks", "retry", *words, code=2)


def test_a_pickled_result_is_read_only_if_it_is_trusted(mpcsfaas: CommandLine, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    task_id = mpcsfaas("run", "jobs.py:Trap", str(mark), "--no-wait")[0].strip()
    assert "reading that can run code" in mpcsfaas.error("result", task_id, "--wait", "--trust", "json", code=1)
    assert not mark.exists()
    mpcsfaas("result", task_id)
    assert mark.exists()


def test_what_is_trusted_is_plain_data(mpcsfaas: CommandLine) -> None:
    assert mpcsfaas.json("run", "jobs.py:add", "1", "--trust", "json")["value"] == 102
    assert "ValueError: why" in mpcsfaas.error("run", "jobs.py:fail", "why", "--trust", "json", code=1)
