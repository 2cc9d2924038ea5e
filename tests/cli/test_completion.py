"""Completion by a real bash, and what the other shells ask for."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mpcsfaas.cli.completion import words_to_complete
from mpcsfaas.testing.command_line import CommandLine
from mpcsfaas.testing.platform import PlatformProcess
from mpcsfaas.testing.terminal import Terminal

COMPLETE = """
source <(mpcsfaas --show-completion bash)
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
_mpcsfaas_completion mpcsfaas
printf "%s\\n" "${COMPREPLY[@]}"
"""
PROGRAMS = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"


def bash(folder: Path, script: str, *words: str, **variables: str) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MPCSFAAS_")}
    folders = dict.fromkeys(("HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME"), str(folder))
    done = subprocess.run(
        ["bash", "--norc", "-c", script, "bash", *words],
        cwd=folder,
        env=environment | folders | {"PATH": PROGRAMS} | variables,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stderr == ""
    return done.stdout


def offered(folder: Path, *words: str, **variables: str) -> list[str]:
    """What bash would offer for the last of the words."""
    return bash(folder, COMPLETE, "mpcsfaas", *words, **variables).split()


def test_commands_plugins_and_flags_of_plugins_are_offered(tmp_path: Path) -> None:
    assert offered(tmp_path, "wor") == ["worker", "worker-keys", "workers"]
    assert offered(tmp_path, "up", "--plugin", "pu") == ["pull", "push"]
    assert "--push-port" in offered(tmp_path, "dispatcher", "--plugin", "push", "--push-")
    assert offered(tmp_path, "plugins", "show", "sqli") == ["sqlite"]
    assert offered(tmp_path, "dispatcher", "--plugin", "nonsense", "--lea") == ["--lease"]


def test_functions_and_tasks_of_the_running_gateway_are_offered(mpcsfaas: CommandLine, folder: Path) -> None:
    mpcsfaas("fn", "register", "jobs.py:add", "--name", "tabulate")
    failed = mpcsfaas.json("run", "jobs.py:fail", "why", code=1)["id"]
    done = mpcsfaas.json("run", "tabulate", "1")["id"]
    assert offered(folder, "run", "tabu") == ["tabulate"]
    assert offered(folder, "logs", done) == [done]
    assert offered(folder, "tasks", "retry", failed) == [failed]
    assert offered(folder, "tasks", "retry", done) == []
    assert offered(folder, "cancel", done) == []


@pytest.fixture
def silent() -> Iterator[str]:
    """The URL of what takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def test_a_gateway_that_does_not_answer_is_nothing_to_be_told(tmp_path: Path, silent: str) -> None:
    assert offered(tmp_path, "logs", "", MPCSFAAS_URL=silent) == []
    assert offered(tmp_path, "fn", "show", "x", MPCSFAAS_URL="http://127.0.0.1:1") == []


def test_settings_that_cannot_be_used_are_nothing_to_be_told(tmp_path: Path) -> None:
    (tmp_path / "mpcsfaas.toml").write_text("port = 'x'\n")
    assert offered(tmp_path, "up", "--leas") == ["--lease"]
    assert offered(tmp_path, "logs", "") == []


def test_installed_it_works_at_the_tab_key(tmp_path: Path, platform: PlatformProcess) -> None:
    assert "completion installed" in bash(tmp_path, "mpcsfaas --install-completion; exit $?")
    terminal = Terminal(["bash", "-i"], tmp_path, PATH=PROGRAMS, PS1="ready$ ")
    try:
        terminal.type(b"mpcsfaas doc\t")
        terminal.wait_for(b"mpcsfaas doctor ")
    finally:
        terminal.close()


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_are_answered_too(tmp_path: Path, shell: str) -> None:
    wish = f'_MPCSFAAS_COMPLETE=complete_{shell} _TYPER_COMPLETE_FISH_ACTION=get-args _TYPER_COMPLETE_ARGS="$*"'
    answer = bash(tmp_path, f"env {wish} mpcsfaas", "mpcsfaas", "up", "--plugin", "pu")
    assert "pull" in answer
    assert "push" in answer
    assert "sqlite" not in answer
    source = bash(tmp_path, f"mpcsfaas --show-completion {shell}", _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1")
    assert f"complete_{shell}" in source


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({}, None),
        ({"_MPCSFAAS_COMPLETE": "b", "COMP_WORDS": "mpcsfaas up --plu x", "COMP_CWORD": "2"}, ["up"]),
        ({"_MPCSFAAS_COMPLETE": "b", "COMP_WORDS": "mpcsfaas ", "COMP_CWORD": "1"}, []),
        ({"_MPCSFAAS_COMPLETE": "z", "_TYPER_COMPLETE_ARGS": "mpcsfaas up --plu"}, ["up"]),
        ({"_MPCSFAAS_COMPLETE": "z", "_TYPER_COMPLETE_ARGS": "mpcsfaas up "}, ["up"]),
    ],
)
def test_the_words_before_the_cursor_are_known(environment: dict[str, str], words: list[str] | None) -> None:
    assert words_to_complete(environment) == words
