"""Names select plugins, and the kind of each decides what it replaces."""

import logging
import subprocess
import sys
from pathlib import Path

import pytest

from mpcsfaas.errors import PluginError, SettingsError
from mpcsfaas.interfaces import PluginOptions
from mpcsfaas.model import DispatcherInfo, State
from mpcsfaas.plugins import Kind, Plugins, installed_names, load_serializer, registrations
from mpcsfaas.testing.distributions import Distributions

BUILT_IN = {"local", "sqlite", "memory", "dill", "cloudpickle", "msgpack", "json"}
DETECTOR = """
from mpcsfaas.interfaces import FailureDetector
class Detector(FailureDetector):
    name = "{name}"
    interval = 1.0
    def beat(self, worker_id, now): pass
    def forget(self, worker_id): pass
    def suspects(self, now): return []
@hookimpl
def mpcsfaas_failure_detectors():
    return [Detector]
"""
FAILING = """
{state}
@hookimpl
def mpcsfaas_tasks_changed(task_ids): seen.append(task_ids); raise RuntimeError("{name}")
@hookimpl
def mpcsfaas_workers_changed(dispatcher): raise RuntimeError("{name}")
@hookimpl
def mpcsfaas_cli(app): raise RuntimeError("no commands today")
"""
SEEN = "seen = []"
DISPATCHER = DispatcherInfo("d", "host", 1, "local", 0.0, 1.0)
DISCOVER = """
import sys
before = set(sys.modules)
from mpcsfaas.plugins import installed_names, load
names = installed_names()
load("memory")
print(",".join(names))
print([name for name in sys.modules if name.endswith("_module")])
"""


def add_detector(installed: Distributions, name: str) -> None:
    installed.add(name, DETECTOR.format(name=name))


def test_our_own_plugins_are_installed() -> None:
    assert set(installed_names()) >= BUILT_IN


def test_nothing_is_imported_to_find_out_what_is_installed(installed: Distributions) -> None:
    installed.add("explosive", "raise SystemExit")

    process = subprocess.run(
        [sys.executable, "-c", DISCOVER], env=installed.environment(), capture_output=True, text=True, check=True
    )

    names, imported = process.stdout.splitlines()
    assert "explosive" in names.split(",")
    assert imported == "[]"


def test_metadata_that_cannot_be_read_hides_only_its_own_distribution(
    installed: Distributions, caplog: pytest.LogCaptureFixture
) -> None:
    add_detector(installed, "patient")
    for name, content in {"one": b"[mpcsfaas]\nno equals sign", "two": b"\xff[mpcsfaas]\na = b"}.items():
        folder = installed.add(name, "")
        next(folder.glob("*.dist-info/entry_points.txt")).write_bytes(content)
    next(installed.add("nameless", "").glob("*.dist-info/METADATA")).unlink()

    assert set(installed_names()) >= BUILT_IN | {"patient", "nameless"}
    assert not {"one", "two", "a"} & set(installed_names())
    assert caplog.text.count("Skipping a distribution with unreadable metadata") >= 2


def test_of_one_distribution_the_first_on_the_path_counts(installed: Distributions, tmp_path: Path) -> None:
    add_detector(installed, "patient")
    Distributions(tmp_path / "older").add("patient", "raise RuntimeError", version="0.1")
    sys.path.append(str(tmp_path / "older" / "mpcsfaas-patient"))

    assert [(one.name, one.version) for one in registrations() if one.name == "patient"] == [("patient", "1.2")]


def test_a_kind_that_is_not_named_takes_its_default() -> None:
    assert Plugins().plugin(Kind.STRATEGY).name == "local"
    assert [serializer.name for serializer in Plugins().serializers()] == ["dill", "cloudpickle", "msgpack", "json"]


def test_a_named_plugin_replaces_the_default_of_its_kind(installed: Distributions) -> None:
    add_detector(installed, "patient")

    plugins = Plugins.select(["patient", "patient"])

    assert plugins.detector().interval == 1.0
    assert plugins.plugin(Kind.STRATEGY).name == "push", "a detector without a strategy watches connecting workers"


def test_two_of_a_kind_that_excludes_a_second_are_both_named(installed: Distributions) -> None:
    add_detector(installed, "patient")
    add_detector(installed, "hasty")

    with pytest.raises(PluginError, match="'patient' and 'hasty' are both of the kind detector"):
        Plugins.select(["patient", "hasty"])


def test_a_default_that_is_not_installed_is_an_error_only_when_it_is_needed(installed: Distributions) -> None:
    if "heartbeat" in installed_names():
        installed.add("heartbeat", "", distribution="rival")
    plugins = Plugins()

    with pytest.raises(PluginError, match="'heartbeat'"):
        plugins.detector()


def test_an_unknown_name_gets_a_suggestion_a_list_and_a_next_step() -> None:
    with pytest.raises(PluginError) as caught:
        Plugins.select(["loacl"])

    message = str(caught.value)
    assert message.startswith("There is no plugin 'loacl'. Did you mean 'local'? Installed: ")
    assert all(name in message for name in BUILT_IN)
    assert "a package that declares the entry point 'loacl' in the group 'mpcsfaas'" in message


def test_storage_is_chosen_by_the_scheme() -> None:
    storage = Plugins.select(["memory"]).storage("memory://")

    assert storage.name == "memory"
    assert storage.url == "memory://"


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("memry://", "There is no storage 'memry'. Did you mean 'memory'? Installed of this kind: "),
        ("dill://x", "Plugin 'dill' is no storage, it is a serializer. Installed of this kind: "),
        ("/tmp/tasks.db", "'/tmp/tasks.db' is no storage URL. Write SCHEME://"),
        ("://", "'://' is no storage URL"),
    ],
)
def test_a_url_that_names_no_storage(url: str, message: str) -> None:
    with pytest.raises(PluginError) as caught:
        Plugins().storage(url)

    assert str(caught.value).startswith(message)


def test_a_storage_plugin_that_the_url_contradicts() -> None:
    with pytest.raises(PluginError, match="'memory' is a storage, but the storage URL is 'sqlite:///x'"):
        Plugins.select(["memory"]).storage_plugin("sqlite:///x")


def test_a_serializer_is_loaded_by_name() -> None:
    assert load_serializer("msgpack").name == "msgpack"
    with pytest.raises(PluginError, match="Plugin 'memory' is no serializer"):
        load_serializer("memory")
    with pytest.raises(PluginError, match=r"There is no serializer 'picle'\."):
        load_serializer("picle")


def test_options_come_from_the_source_that_is_given() -> None:
    def options(name: str, model: type[PluginOptions]) -> PluginOptions:
        assert name == "memory"
        return model.model_validate({"max_unfinished": 7})

    assert Plugins(options=options).storage("memory://").options.max_unfinished == 7


def test_an_error_of_the_options_source_passes_through() -> None:
    def options(name: str, model: type[PluginOptions]) -> PluginOptions:
        raise SettingsError(f"{name} is badly set")

    with pytest.raises(SettingsError, match="memory is badly set"):
        Plugins(options=options).storage("memory://")


def test_a_constructor_that_raises_is_told_by_name(installed: Distributions) -> None:
    installed.add(
        "frail", DETECTOR.format(name="frail") + "def fail(*_): raise OSError('full')\nDetector.__init__ = fail"
    )

    with pytest.raises(PluginError, match=r"'frail' of mpcsfaas-frail 1\.2 cannot be set up: OSError: full"):
        Plugins.select(["frail"]).detector()


def test_observers_that_fail_are_logged_and_starve_nobody(
    installed: Distributions, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("first", "second"):
        installed.add(name, FAILING.format(name=name, state=SEEN))
    plugins = Plugins.select(["first", "second"])

    plugins.tasks_changed(["a", "b"], State.COMPLETED)
    plugins.workers_changed(DISPATCHER)

    assert [sys.modules[f"mpcsfaas_{name}_module"].seen for name in ("first", "second")] == [[["a", "b"]]] * 2
    failures = [(record.levelno, record.getMessage()) for record in caplog.records]
    for name in ("first", "second"):
        for hook in ("mpcsfaas_tasks_changed", "mpcsfaas_workers_changed"):
            assert (logging.ERROR, f"Plugin '{name}' failed in {hook}; going on without it") in failures


def test_a_plugin_that_fails_to_add_commands_is_named(installed: Distributions) -> None:
    import typer

    installed.add("first", FAILING.format(name="first", state=SEEN))

    with pytest.raises(PluginError, match="'first' failed in mpcsfaas_cli: RuntimeError: no commands today"):
        Plugins.select(["first"]).cli(typer.Typer())
