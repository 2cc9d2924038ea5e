"""`mpcsfaas run`: which function, which arguments, what is printed, and how it fails."""

from pathlib import Path
from typing import Any

import pytest

from mpcsfaas.cli.run_command import _keywords, _value
from mpcsfaas.errors import SettingsError
from mpcsfaas.testing.command_line import CommandLine


def test_a_function_of_a_file_with_what_it_imports(mpcsfaas: CommandLine) -> None:
    assert mpcsfaas("run", "jobs.py:add", "1", "-k", "y=2") == ("103\n", "")


def test_arguments_are_json_or_else_text(mpcsfaas: CommandLine) -> None:
    words = ["1", "1.5", "true", "null", '{"a": [1]}', '"2"', "plain text", "-k", "size=[640, 480]", "-k", "name=x=y"]
    output, _ = mpcsfaas("run", "jobs.py:describe", *words)
    assert output == ("[(1, 1.5, True, None, {'a': [1]}, '2', 'plain text'), {'size': [640, 480], 'name': 'x=y'}]\n")


def test_text_is_printed_as_it_is(mpcsfaas: CommandLine) -> None:
    assert mpcsfaas("run", "jobs.py:greet", "Ada")[0] == "Hello, Ada!\nBye.\n"


def test_a_function_of_an_importable_module(mpcsfaas: CommandLine) -> None:
    assert mpcsfaas("run", "os.path:join", "a", "b")[0] == "a/b\n"


def test_json_tells_the_value_and_the_task(mpcsfaas: CommandLine) -> None:
    told = mpcsfaas.json("run", "jobs.py:describe", "1")
    assert (told["state"], told["value"], told["failure"]) == ("COMPLETED", [[1], {}], None)
    assert mpcsfaas.json("run", "jobs.py:strange")["value"] == "<strange>"


def test_a_failure_is_told_with_its_traceback(mpcsfaas: CommandLine) -> None:
    output, errors = mpcsfaas("run", "jobs.py:fail", "no luck", code=1)
    assert output == ""
    assert 'jobs.py", line' in errors
    assert "raise ValueError(why)" in errors
    assert errors.splitlines()[-1].startswith("error: Task ")
    assert errors.splitlines()[-1].endswith("failed: ValueError: no luck")


def test_a_crash_is_told_as_json(mpcsfaas: CommandLine) -> None:
    told = mpcsfaas.json("run", "jobs.py:crash", code=1)
    assert (told["state"], told["value"], told["failure"]["kind"]) == ("FAILED", None, "crashed")
    assert "exited with code 3" in told["error"]


def test_a_timeout_ends_it(mpcsfaas: CommandLine) -> None:
    assert "(timeout)" in mpcsfaas.error("run", "jobs.py:nap", "60", "--timeout", "0.2", code=1)


def test_retries_are_made(mpcsfaas: CommandLine) -> None:
    told = mpcsfaas.json("run", "jobs.py:fail", "again", "--retries", "1", code=1)
    assert mpcsfaas.json("tasks", "show", told["id"])["failures"] == 1


def test_without_waiting_the_id_is_printed(mpcsfaas: CommandLine) -> None:
    task_id = mpcsfaas("run", "jobs.py:add", "1", "--no-wait")[0].strip()
    assert mpcsfaas("result", task_id, "--wait")[0] == "102\n"
    assert mpcsfaas.json("run", "jobs.py:add", "1", "--no-wait").keys() == {"id"}


def test_a_registered_function_by_name_and_by_id(mpcsfaas: CommandLine) -> None:
    function_id = mpcsfaas("fn", "register", "jobs.py:greet", "--name", "welcome")[0].strip()
    assert mpcsfaas("run", "welcome", "-k", "name=Bob")[0] == mpcsfaas("run", function_id, "Bob")[0]


def test_a_file_named_like_a_module_of_python(mpcsfaas: CommandLine, folder: Path) -> None:
    (folder / "json.py.d").mkdir()
    (folder / "json.py.d" / "json.py").write_text("def double(x):\n    return 2 * x\n")
    assert mpcsfaas("run", "json.py.d/json.py:double", "21")[0] == "42\n"


@pytest.mark.parametrize(
    ("word", "complaint"),
    [
        ("jobs.py:ad", "jobs.py has no function 'ad'. Did you mean 'add'?"),
        ("jobs.py", "'jobs.py' names no function. Write FILE.py:FUNCTION"),
        ("missing.py:f", "There is no file missing.py."),
        ("broken.py:f", "broken.py cannot be imported: SyntaxError"),
        ("no_such_module:f", "no_such_module cannot be imported: there is no module 'no_such_module' here."),
    ],
)
def test_what_names_no_function_is_wrong_usage(alone: CommandLine, word: str, complaint: str) -> None:
    (alone.folder / "broken.py").write_text("def f(:\n")
    (alone.folder / "jobs.py").write_text("def add(): pass\n")
    assert complaint in alone.error("run", word, code=2)


def test_an_unknown_name_is_told_with_a_guess(mpcsfaas: CommandLine) -> None:
    mpcsfaas("fn", "register", "jobs.py:nap")
    assert "No function is called 'napp'. Did you mean 'nap'?" in mpcsfaas.error("run", "napp", code=1)


@pytest.mark.parametrize(("word", "value"), [("1", 1), ("[", "["), ("", ""), ("NaN!", "NaN!"), ('"a"', "a")])
def test_words_become_values(word: str, value: Any) -> None:
    assert _value(word) == value


@pytest.mark.parametrize("word", ["name", "=1", "1a=2", "a b=2"])
def test_malformed_keywords_are_wrong_usage(word: str) -> None:
    with pytest.raises(SettingsError, match="Write NAME=VALUE"):
        _keywords([word])
