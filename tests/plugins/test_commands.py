"""`mpcsfaas plugins`, and what every command does about wrong usage: in processes of their own."""

import json
import subprocess
import sys

import pytest

from mpcsfaas import __version__
from mpcsfaas.testing.distributions import Distributions

FORGETFUL = """
from mpcsfaas.interfaces import Serializer
class Forgetful(Serializer):
    name = "forgetful"
    carries_functions = False
    def version(self): return "1"
    def check(self, data): pass
    def check_quick(self, data): pass
    def dumps(self, value): return b""
    def loads(self, data): return (), {}
@hookimpl
def mpcsfaas_serializers():
    return [Forgetful]
"""
HEAVY = ("fastapi", "uvicorn", "dill", "httpx", "zmq", "sqlite3", "mpcsfaas.gateway")
IMPORTED = f"""
import sys
from mpcsfaas.cli import run
code = run(["--version"])
print(code, [name for name in {HEAVY} if name in sys.modules])
"""


def execute(installed: Distributions, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = installed.environment(**variables)
    return subprocess.run([sys.executable, *words], env=environment, capture_output=True, text=True, check=False)


def mpcsfaas(installed: Distributions, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return execute(installed, "-m", "mpcsfaas", *words, **variables)


def fails(process: subprocess.CompletedProcess[str], code: int, message: str) -> bool:
    assert (process.returncode, process.stdout) == (code, "")
    assert process.stderr.startswith("error: ")
    assert process.stderr.count("\n") == 1
    assert message in process.stderr
    return True


def test_the_version_is_told_without_anything_heavy(installed: Distributions) -> None:
    process = execute(installed, "-c", IMPORTED)

    assert process.stdout.splitlines() == [f"mpcsfaas {__version__}", "0 []"]


def test_plugins_are_listed_with_what_is_wrong(remote: Distributions) -> None:
    process = mpcsfaas(remote, "plugins", "--json")

    infos = {info["name"]: info for info in json.loads(process.stdout)}
    assert process.returncode == 0
    assert set(infos) >= {"local", "sqlite", "memory", "dill", "msgpack", "json", "remote", "explosive"}
    assert {name: infos["remote"][name] for name in ("kind", "distribution", "version", "status", "summary")} == {
        "kind": "strategy",
        "distribution": "mpcsfaas-remote",
        "version": "1.2",
        "status": "ok",
        "summary": "Hands tasks to somewhere else.",
    }
    assert infos["remote"]["options"]["properties"]["workers"]["default"] == 3
    assert infos["explosive"]["status"] == "broken"
    assert "raised SystemExit: boom" in infos["explosive"]["reason"]


def test_a_plugin_that_prints_does_not_spoil_the_output(installed: Distributions) -> None:
    installed.add("noisy", "print('hello')")

    process = mpcsfaas(installed, "plugins", "--json")

    assert "noisy" in {info["name"] for info in json.loads(process.stdout)}
    assert "hello" in process.stderr


def test_plugins_are_listed_for_people(remote: Distributions) -> None:
    process = mpcsfaas(remote, "plugins")

    rows = [line.split() for line in process.stdout.splitlines()]
    assert ["name", "kind", "distribution", "version", "status"] in rows
    assert ["remote", "strategy", "mpcsfaas-remote", "1.2", "ok"] in rows
    assert ["explosive", "unknown", "mpcsfaas-explosive", "1.2", "broken"] in rows
    assert "raised SystemExit: boom" in process.stderr


def test_a_plugin_is_shown_with_its_options(remote: Distributions) -> None:
    shown = mpcsfaas(remote, "plugins", "show", "remote")
    options = json.loads(mpcsfaas(remote, "plugins", "show", "remote", "--json").stdout)["options"]

    assert "workers (integer, default 3)\n    How many hands.\n" in shown.stdout
    assert "    --remote-workers   MPCSFAAS_REMOTE_WORKERS   options.remote.workers\n" in shown.stdout
    assert [option["option"] for option in options] == ["workers", "port", "eager"]


def test_a_check_of_what_works_succeeds(remote: Distributions) -> None:
    process = mpcsfaas(remote, "plugins", "check", "remote", "dill", "msgpack", "json", "cloudpickle")

    assert process.stdout.splitlines() == [
        f"{name}: ok" for name in ("cloudpickle", "dill", "json", "msgpack", "remote")
    ]
    assert process.returncode == 0


def test_a_check_fails_with_the_reason(remote: Distributions) -> None:
    process = mpcsfaas(remote, "plugins", "check")

    assert process.returncode == 1
    assert "explosive: Plugin 'explosive' of mpcsfaas-explosive 1.2 cannot be used" in process.stdout
    assert "remote: ok\n" in process.stdout


def test_a_check_puts_a_plugin_to_use(installed: Distributions) -> None:
    installed.add("forgetful", FORGETFUL)

    process = mpcsfaas(installed, "plugins", "check", "forgetful")

    assert process.returncode == 1
    assert "forgetful: ((1, 'two', [3.5]), {'four': None}) does not survive" in process.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["plugins", "show", "loacl"], "There is no plugin 'loacl'. Did you mean 'local'?"),
        (["plugins", "check", "loacl"], "There is no plugin 'loacl'. Did you mean 'local'?"),
        (["plugins", "show", "explosive"], "'explosive' of mpcsfaas-explosive 1.2 cannot be used"),
        (["plugins", "show"], "Missing argument 'NAME'"),
        (["plugins", "sohw"], "No such command 'sohw'"),
        (["plguins"], "No such command 'plguins'"),
        (["explosive"], "'explosive' of mpcsfaas-explosive 1.2 cannot be used"),
        (["--nonsense"], "No such option: --nonsense"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(remote: Distributions, words: list[str], message: str) -> None:
    assert fails(mpcsfaas(remote, *words), 2, message)


def test_a_bare_command_shows_help(installed: Distributions) -> None:
    process = mpcsfaas(installed)

    assert "Usage: mpcsfaas" in process.stdout
    assert (process.returncode, process.stderr) == (2, "")
