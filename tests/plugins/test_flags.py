"""Flags are made of the settings that a command takes and of the options of the plugins that it uses."""

import json
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import typer

from mpcsfaas.cli import group, run
from mpcsfaas.cli.configured import Setup, configured
from mpcsfaas.cli.errors import report
from mpcsfaas.errors import MpcsfaasError, PluginError, SettingsError, StorageUnavailable
from mpcsfaas.plugins import Kind
from mpcsfaas.testing.distributions import Distributions

app = typer.Typer()


@app.command()
@configured("host", "port", kinds=[Kind.STORAGE])
def gateway(setup: Setup, again: bool = False) -> None:
    settings = setup.settings
    typer.echo(json.dumps([settings.host, settings.port, setup.plugins.storage(settings.storage).url, again]))


@app.command()
@configured(kinds=[Kind.STRATEGY])
def worker(setup: Setup) -> None:
    typer.echo(setup.plugins.strategy().options.model_dump_json())


@app.command()
@configured("port", kinds=[Kind.STRATEGY])
def both(setup: Setup) -> None:
    options: Any = setup.plugins.strategy().options
    typer.echo(json.dumps([setup.settings.port, options.port]))


class Outcome(NamedTuple):
    code: int
    output: str
    error: str


Call = Callable[..., Outcome]


@pytest.fixture
def call(remote: Distributions, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Run a command line with these environment variables."""
    for name in ("gateway", "worker", "both"):
        monkeypatch.setitem(group.COMMANDS, name, __name__)
    monkeypatch.chdir(remote.folder)

    def execute(*words: str, **variables: str) -> Outcome:
        for name, value in remote.environment(**variables).items():
            monkeypatch.setenv(name, value)
        code = run(words)
        return Outcome(code, *capsys.readouterr())

    return execute


def test_help_shows_the_flags_of_the_plugin_in_use(call: Call) -> None:
    code, output, _ = call("worker", "-m", "remote", "--help", COLUMNS="200")

    assert code == 0
    assert "Options of remote (strategy)" in output
    assert "How many hands. Default: 3." in output
    assert "Where [workers] come in. Default: 5555." in output
    for flag in ("--remote-workers", "--workers", "-w", "--remote-port", "--port", "-p", "--no-remote-eager"):
        assert flag in output
    assert "--local-workers" not in output


@pytest.mark.parametrize(
    "words",
    [
        ["-m", "remote", "--remote-workers", "7", "-p", "1", "--remote-eager"],
        ["-mremote", "-w", "7", "--port", "1", "--remote-eager"],
        ["--plugin=remote", "--workers=7", "--remote-port=1", "--remote-eager"],
    ],
)
def test_every_spelling_of_a_flag_reaches_the_plugin(call: Call, words: list[str]) -> None:
    assert json.loads(call("worker", *words).output) == {"workers": 7, "port": 1, "eager": True}


def test_a_switch_can_be_turned_off(call: Call) -> None:
    words = ["worker", "-m", "remote", "--no-remote-eager"]

    assert json.loads(call(*words, MPCSFAAS_REMOTE_EAGER="yes").output)["eager"] is False


def test_a_flag_beats_a_variable_beats_the_file(call: Call, remote: Distributions) -> None:
    file = remote.folder / "settings.toml"
    file.write_text("plugins = ['remote']\n[options.remote]\nworkers = 10\nport = 11\neager = true")
    variables = {"MPCSFAAS_REMOTE_WORKERS": "20", "MPCSFAAS_REMOTE_PORT": "21"}

    outcome = call("worker", "--config", str(file), "-w", "30", **variables)

    assert json.loads(outcome.output) == {"workers": 30, "port": 21, "eager": True}


def test_a_broken_plugin_disturbs_no_other(call: Call) -> None:
    assert json.loads(call("worker", "-m", "local", "-w", "2").output)["workers"] == 2
    code, _, error = call("worker", "-m", "explosive")
    assert code == 2
    assert error.startswith("error: Plugin 'explosive' of mpcsfaas-explosive 1.2 cannot be used: importing")


def test_a_port_of_the_command_is_not_the_plugins(call: Call) -> None:
    assert json.loads(call("both", "-m", "remote", "-p", "1", "--remote-port", "2").output) == [1, 2]


def test_a_command_has_flags_of_its_own(call: Call) -> None:
    outcome = call("gateway", "--storage", "memory://x", "-p", "0", "--again", MPCSFAAS_HOST="h")

    assert json.loads(outcome.output) == ["h", 0, "memory://x", True]


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
        (["-m"], {}, "Option '-m' requires an argument"),
    ],
)
def test_wrong_settings_are_one_line_and_exit_code_2(
    call: Call, words: list[str], variables: dict[str, str], message: str
) -> None:
    code, output, error = call("worker", *words, **variables)

    assert (code, output, error.count("\n")) == (2, "", 1)
    assert error.startswith("error: ")
    assert message in error


def test_help_works_whatever_the_settings_are(call: Call) -> None:
    variables = {"MPCSFAAS_PORT": "x", "MPCSFAAS_PLUGINS": "explosive"}

    assert "Plugin to use" in call("worker", "--help", **variables).output
    assert "List installed plugins" in call("--help", **variables).output


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (SettingsError("one\n two"), 2, "error: one two\n"),
        (PluginError("broken"), 2, "error: broken\n"),
        (MpcsfaasError("no"), 2, "error: no\n"),
        (StorageUnavailable("locked"), 1, "error: locked\n"),
        (typer.Abort(), 1, "error: stopped by the user.\n"),
    ],
)
def test_an_error_is_one_line_with_its_exit_code(
    error: Exception, code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report(error) == code
    assert capsys.readouterr() == ("", message)


def test_a_defect_is_told_with_its_traceback(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Setup, "__init__", lambda *_: 1 / 0)

    code, _, error = call("worker")

    assert code == 1
    assert "Traceback" in error
    assert error.splitlines()[-1].startswith("error: ZeroDivisionError: division by zero. This is a defect of mpcsfaas")
