"""The example and the skeletons, installed into a fresh environment, work there and pass their own tests."""

import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from tests.kit.author import Author

from mpcsfaas.client import Client, Executor
from mpcsfaas.testing.platform import PlatformProcess

EXPECTED = {
    "threads": "strategy",
    "my_dispatch": "strategy",
    "my_storage": "storage",
    "my_serializer": "serializer",
    "my_detector": "detector",
}


def test_they_are_found_by_their_entry_points_and_checked(author: Author) -> None:
    listed = {plugin["name"]: plugin for plugin in json.loads(author.run("mpcsfaas", "plugins", "--json"))}
    assert {name: (listed[name]["kind"], listed[name]["status"]) for name in EXPECTED} == {
        name: (kind, "ok") for name, kind in EXPECTED.items()
    }
    checked = author.run("mpcsfaas", "plugins", "check", *EXPECTED)
    assert checked.splitlines() == [f"{name}: ok" for name in sorted(EXPECTED)]


def test_their_own_tests_pass(author: Author) -> None:
    folders = [str(distribution / "tests") for distribution in author.distributions]
    printed = author.run("pytest", "-q", "-W", "error", "--import-mode=importlib", "--no-header", "-rA", *folders)
    for name in EXPECTED:
        assert f"/test_{name}.py::" in printed, name


def test_they_are_typed_and_clean_as_they_are_written(author: Author) -> None:
    ruff = [sys.executable, "-m", "ruff"]
    for distribution in author.distributions:
        for words in (["check"], ["format", "--check"]):
            subprocess.run([*ruff, *words, "--no-cache", str(distribution)], check=True, capture_output=True)
    files = [str(path) for distribution in author.distributions for path in distribution.rglob("*.py")]
    strictly = [sys.executable, "-m", "mypy", "--config-file=", "--strict", "--python-executable", author.python]
    done = subprocess.run([*strictly, *files], cwd=author.folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def name_of_thread(number: int) -> tuple[int, str]:
    return number, threading.current_thread().name


name_of_thread.__module__ = "__main__"  # So that it travels by value, as a script's own.


def divide(number: int) -> float:
    return 1 / number


divide.__module__ = "__main__"


@pytest.mark.parametrize(("plugin", "thread"), [("threads", "mpcsfaas-task"), ("my_dispatch", "my_dispatch")])
def test_a_strategy_is_selected_and_runs_real_tasks(author: Author, tmp_path: Path, plugin: str, thread: str) -> None:
    platform = PlatformProcess(tmp_path, "--plugin", plugin, python=author.python)
    with platform, Executor(platform.url) as executor, Client(platform.url) as client:
        outcomes = list(executor.map(name_of_thread, range(200)))
        assert [number for number, _ in outcomes] == list(range(200))
        assert all(name.startswith(thread) for _, name in outcomes)
        with pytest.raises(ZeroDivisionError):
            executor.submit(divide, 0).result()
        assert [dispatcher.strategy for dispatcher in client.workers()] == [plugin]
