"""Lines of the log that programs read."""

import json
import logging
from pathlib import Path

from mpcsfaas.cli.log import JsonFormatter
from mpcsfaas.client import Client
from mpcsfaas.model import State
from mpcsfaas.testing.platform import PlatformProcess


def line_of(record: logging.LogRecord) -> dict[str, object]:
    formatted = JsonFormatter().format(record)
    assert "\n" not in formatted
    line: dict[str, object] = json.loads(formatted)
    return line


def test_a_line_is_an_object_with_what_was_given_as_extra() -> None:
    given = {
        "name": "n",
        "levelname": "WARNING",
        "msg": "%d of\n%s",
        "args": (1, "x"),
        "created": 0.5,
        "task_ids": ["t"],
    }
    assert line_of(logging.makeLogRecord(given | {"task_ids": ["t"]})) == {
        "time": "1970-01-01T00:00:00.500000+00:00",
        "level": "warning",
        "logger": "n",
        "message": "1 of\nx",
        "task_ids": ["t"],
    }


def test_an_error_comes_with_its_traceback_and_what_is_no_json_as_text() -> None:
    error = ValueError("no")
    given = {"msg": "m", "exc_info": (ValueError, error, None), "where": Path("/x")}
    line = line_of(logging.makeLogRecord(given))
    assert line["traceback"] == "ValueError: no"
    assert line["where"] == "/x"


def test_a_platform_logs_json_with_the_ids_of_tasks(tmp_path: Path) -> None:
    arguments = ("--log-format", "json", "--log-level", "debug", "-w", "1")
    with PlatformProcess(tmp_path, *arguments) as platform, Client(platform.url) as client:
        handle = client.submit(len, "abc")
        assert handle.result(timeout=30) == 3
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert all({"time", "level", "logger", "message"} <= line.keys() for line in lines)
    states = [line["state"] for line in lines if handle.id in line.get("task_ids", ())]
    assert states == [State.RUNNING, State.COMPLETED]
