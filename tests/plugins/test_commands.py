"""The command line in processes of its own: flags from options, messages, exit codes."""

import json
import subprocess
import sys
from typing import Any

import pytest

from mpcsfaas.errors import MpcsfaasError, PluginError, SettingsError, StorageUnavailable
from mpcsfaas.testing.distributions import Distributions

STRATEGY = """
from pydantic import Field
from mpcsfaas.interfaces import DispatchStrategy, PluginOptions
class Options(PluginOptions):
    workers: int = Field(3, ge=1, description="How many hands.")
    port: int = Field(5555, description="Where [workers] come in.")
    eager: bool = Field(False, description="Whether to begin at once.")
class Remote(DispatchStrategy):
    "Hands tasks to somewhere else."
    name = "remote"
    Options = Options
    async def start(self, context): pass
    def capacity(self): return 0
    def labels(self): return []
    def dispatch(self, assignments): pass
    def cancel(self, keys): pass
    def workers(self): return []
    async def stop(self): pass
@hookimpl
def mpcsfaas_dispatch_strategies():
    return [Remote]
"""
ECHO = """
import json, typer
from mpcsfaas.cli import group, main
from mpcsfaas.cli.configured import configured
from mpcsfaas.plugins import Kind
app = typer.Typer()

@app.command("gateway")
@configured("host", "port", kinds=[Kind.STORAGE])
def gateway(setup, again: bool = False):
    print(json.dumps([setup.settings.host, setup.settings.port, setup.plugins.storage(setup.settings.storage).url, again]))

@app.command("worker")
@configured(kinds=[Kind.STRATEGY])
def worker(setup):
    print(setup.plugins.strategy().options.model_dump_json())

@app.command("both")
@configured("port", kinds=[Kind.STRATEGY])
def both(setup):
    print(json.dumps([setup.settings.port, setup.plugins.strategy().options.port]))

group.COMMANDS |= dict.fromkeys(["gateway", "worker", "both"], "__main__")
main()
"""
HEAVY = ("fastapi", "uvicorn", "dill", "httpx", "zmq", "sqlite3", "mpcsfaas.gateway", "mpcsfaas.client")
IMPORTED = f"""
import sys
from mpcsfaas.cli import run
code = run(["--version"])
print(code, [name for name in {HEAVY} if name in sys.modules])
"""


@pytest.fixture
def remote(installed: Distributions) -> Distributions:
    installed.add("remote", STRATEGY)
    installed.add("explosive", "raise SystemExit('boom')")
    return installed


def execute(installed: Distributions, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = installed.environment(**variables)
    return subprocess.run([sys.executable, *words], env=environment, capture_output=True, text=True, check=False)


def mpcsfaas(installed: Distributions, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return execute(installed, "-m", "mpcsfaas", *words, **variables)


def echo(installed: Distributions, *words: str, **variables: str) -> Any:
    process = execute(installed, "-c", ECHO, *words, **variables)
    assert process.returncode == 0, process.stderr
    return json.loads(process.stdout)


def fails(process: subprocess.CompletedProcess[str], code: int, message: str) -> bool:
    assert (process.returncode, process.stdout) == (code, "")
    assert process.stderr.startswith("error: ")
    assert process.stderr.count("\n") == 1
    assert message in process.stderr
    return True


def test_the_version_is_told_without_anything_heavy(installed: Distributions) -> None:
    process = execute(installed, "-c", IMPORTED)

    assert process.stdout.splitlines() == ["mpcsfaas 0.1.0", "0 []"]


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


def test_flags_come_from_the_options_of_the_plugin_in_use(remote: Distributions) -> None:
    process = execute(remote, "-c", ECHO, "worker", "-m", "remote", "--help", COLUMNS="200")

    assert "Options of remote (strategy)" in process.stdout
    assert "How many hands. Default: 3." in process.stdout
    assert "Where [workers] come in. Default: 5555." in process.stdout
    for flag in ("--remote-workers", "--workers", "-w", "--remote-port", "--port", "-p", "--no-remote-eager"):
        assert flag in process.stdout
    assert "--local-workers" not in process.stdout


@pytest.mark.parametrize(
    "words",
    [
        ["-m", "remote", "--remote-workers", "7", "-p", "1", "--remote-eager"],
        ["-mremote", "-w", "7", "--port", "1", "--remote-eager"],
        ["--plugin=remote", "--workers=7", "--remote-port=1", "--remote-eager"],
    ],
)
def test_every_spelling_of_a_flag_reaches_the_plugin(remote: Distributions, words: list[str]) -> None:
    assert echo(remote, "worker", *words) == {"workers": 7, "port": 1, "eager": True}


def test_a_flag_beats_a_variable_beats_the_file(remote: Distributions) -> None:
    file = remote.folder / "settings.toml"
    file.write_text("plugins = ['remote']\n[options.remote]\nworkers = 10\nport = 11\neager = true")

    options = echo(
        remote, "worker", "--config", str(file), "-w", "30", MPCSFAAS_REMOTE_WORKERS="20", MPCSFAAS_REMOTE_PORT="21"
    )

    assert options == {"workers": 30, "port": 21, "eager": True}


def test_a_broken_plugin_disturbs_no_other(remote: Distributions) -> None:
    assert echo(remote, "worker", "-m", "local", "-w", "2")["workers"] == 2
    process = execute(remote, "-c", ECHO, "worker", "-m", "explosive")
    assert fails(process, 2, "Plugin 'explosive' of mpcsfaas-explosive 1.2 cannot be used: importing")


def test_a_port_of_the_command_is_not_the_plugins(remote: Distributions) -> None:
    assert echo(remote, "both", "-m", "remote", "-p", "1", "--remote-port", "2") == [1, 2]


def test_a_command_has_flags_of_its_own(installed: Distributions) -> None:
    words = ["--storage", "memory://x", "-p", "0", "--again"]

    assert echo(installed, "gateway", *words, MPCSFAAS_HOST="h") == ["h", 0, "memory://x", True]


@pytest.mark.parametrize(
    ("words", "variables", "message"),
    [
        (
            ["-m", "remote", "-w", "0"],
            {},
            "--remote-workers cannot be '0': Input should be greater than or equal to 1.",
        ),
        (["-m", "remote"], {"MPCSFAAS_REMOTE_PROT": "1"}, "Did you mean 'MPCSFAAS_REMOTE_PORT'?"),
        (["-m", "remoet"], {}, "There is no plugin 'remoet'. Did you mean 'remote'?"),
        (["-m", "remote", "-m", "local"], {}, "Plugins 'remote' and 'local' are both of the kind strategy"),
        (["--config", "/none.toml"], {}, "The settings file /none.toml cannot be read"),
        (["--log-level", "loud"], {}, "--log-level cannot be 'loud'"),
        (["-m", "remote", "--remote-wrokers", "1"], {}, "No such option: --remote-wrokers"),
    ],
)
def test_wrong_settings_are_one_line_and_exit_code_2(
    remote: Distributions, words: list[str], variables: dict[str, str], message: str
) -> None:
    assert fails(execute(remote, "-c", ECHO, "worker", *words, **variables), 2, message)


def test_help_works_whatever_the_settings_are(remote: Distributions) -> None:
    variables = {"MPCSFAAS_PORT": "x", "MPCSFAAS_PLUGINS": "explosive"}

    assert "Plugin to use" in execute(remote, "-c", ECHO, "worker", "--help", **variables).stdout
    assert "plugins" in mpcsfaas(remote, "--help", **variables).stdout


@pytest.mark.parametrize(
    ("error", "code", "lines"),
    [
        (SettingsError("one\n two"), 2, ["error: one two"]),
        (PluginError("broken"), 2, ["error: broken"]),
        (MpcsfaasError("no"), 2, ["error: no"]),
        (StorageUnavailable("locked"), 1, ["error: locked"]),
        (
            ValueError("bug"),
            1,
            ["ValueError: bug", "", "error: ValueError: bug. This is a defect of mpcsfaas: please report it"],
        ),
    ],
)
def test_each_kind_of_error_has_its_exit_code(
    error: Exception, code: int, lines: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    from mpcsfaas.cli.errors import report

    assert report(error) == code
    assert capsys.readouterr().err.splitlines()[: len(lines)][-1].startswith(lines[-1])
