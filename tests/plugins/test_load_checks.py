"""Every way in which a plugin can be broken is told by name, with its cause, and breaks nothing else."""

import logging

import pytest

from mpcsfaas.errors import PluginError
from mpcsfaas.hookspecs import hookspec
from mpcsfaas.plugins import Kind, Plugins, catalogue, load
from mpcsfaas.plugins.hooks import HookDefect, Hooks
from mpcsfaas.testing.distributions import HEADER, Distributions

DETECTOR = """
from pydantic import BaseModel, Field
from mpcsfaas.interfaces import FailureDetector, PluginOptions, Serializer, Storage
class Base(FailureDetector):
    interval = 1.0
    def beat(self, worker_id, now): pass
    def forget(self, worker_id): pass
    def suspects(self, now): return []
class Detector(Base):
    name = "odd"
@hookimpl
def mpcsfaas_failure_detectors():
    return [Detector]
"""
BROKEN = {
    "import fails": ("import not_a_module_at_all", "ModuleNotFoundError: No module named 'not_a_module_at_all'"),
    "syntax error": ("def broken(:", "importing 'mpcsfaas_odd_module' raised SyntaxError: invalid syntax"),
    "exits": ("import sys; sys.exit(3)", "importing 'mpcsfaas_odd_module' raised SystemExit: 3."),
    "exits without a word": ("raise SystemExit", "importing 'mpcsfaas_odd_module' raised SystemExit."),
    "base exception": (
        "class Odd(BaseException): pass\nraise Odd('no')",
        "importing 'mpcsfaas_odd_module' raised Odd: no.",
    ),
    "unknown hook": ("@hookimpl\ndef mpcsfaas_storage(): return []", "Did you mean 'mpcsfaas_storages'?"),
    "unmarked hook": (
        "def mpcsfaas_storages(): return []",
        "'mpcsfaas_storages' is not marked with @mpcsfaas.hookimpl",
    ),
    "async hook": ("@hookimpl\nasync def mpcsfaas_storages(): return []", "'mpcsfaas_storages' is async"),
    "async observer": (
        "@hookimpl\nasync def mpcsfaas_tasks_changed(task_ids): yield",
        "'mpcsfaas_tasks_changed' is async",
    ),
    "async under another name": (
        "@hookimpl(specname='mpcsfaas_cli')\nasync def commands(app): pass",
        "'commands' is async",
    ),
    "wrong argument": ("@hookimpl\ndef mpcsfaas_cli(application): pass", "{'application'}"),
    "wrapper": ("@hookimpl(wrapper=True)\ndef mpcsfaas_cli(app): yield", "'mpcsfaas_cli' is a hook wrapper"),
    "no list": ("@hookimpl\ndef mpcsfaas_storages(): return 3", "its storage hook returned 3; it must return a list"),
    "nothing": ("@hookimpl\ndef mpcsfaas_storages(): return []", "its storage hook returned no class"),
    "hook raises": ("@hookimpl\ndef mpcsfaas_storages(): raise SystemExit(1)", "checking it raised SystemExit: 1"),
    "no class": ("@hookimpl\ndef mpcsfaas_storages(): return ['Storage']", "'Storage' is not a subclass of"),
    "wrong base": (
        f"{DETECTOR}\n@hookimpl\ndef mpcsfaas_storages(): return [Detector]\nmpcsfaas_failure_detectors = None",
        "is not a subclass of mpcsfaas.interfaces.Storage",
    ),
    "abstract": (f"{DETECTOR}\nDetector = FailureDetector", "abstract: it lacks beat, forget, interval, suspects"),
    "another name": (f"{DETECTOR}\nDetector.name = 'even'", "is 'even', but its entry point is called 'odd'"),
    "no name": (f"{DETECTOR}\ndel Detector.name", "is None, but its entry point is called 'odd'"),
    "two classes": (
        f"{DETECTOR}\n@hookimpl\ndef mpcsfaas_failure_detectors(): return [Detector, Base]",
        "registers more than one class (Detector, Base)",
    ),
    "foreign options": (f"{DETECTOR}\nDetector.Options = BaseModel", "is not a subclass of mpcsfaas.interfaces"),
    "option without default": (
        f"{DETECTOR}\nclass Options(PluginOptions):\n  x: int = Field(description='d')\nDetector.Options = Options",
        "its option 'x' has no default",
    ),
    "option without description": (
        f"{DETECTOR}\nclass Options(PluginOptions):\n  x: int = 1\nDetector.Options = Options",
        "its option 'x' has no description",
    ),
    "option with alias": (
        f"{DETECTOR}\nclass Options(PluginOptions):\n  x: int = Field(1, alias='y', description='d')\n"
        "Detector.Options = Options",
        "its option 'x' has an alias",
    ),
    "option of many words": (
        f"{DETECTOR}\nclass Options(PluginOptions):\n  x: dict[str, int] = Field({{}}, description='d')\n"
        "Detector.Options = Options",
        "its option 'x' has a type that one word cannot express",
    ),
    "option with a wrong default": (
        f"{DETECTOR}\nclass Options(PluginOptions):\n  x: int = Field('much', description='d')\n"
        "Detector.Options = Options",
        "the default of its x is refused by itself: Input should be a valid integer",
    ),
    "options that cannot be made": (
        f"{DETECTOR}\nclass Options(PluginOptions):\n  def model_post_init(self, context): raise ValueError('no')\n"
        "Detector.Options = Options",
        "the default of its options together is refused by itself: Value error, no",
    ),
}


@pytest.mark.parametrize(("source", "cause"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_plugin_is_told_by_name_and_breaks_nothing_else(
    installed: Distributions, source: str, cause: str
) -> None:
    installed.add("odd", source)

    with pytest.raises(PluginError) as caught:
        Plugins.select(["odd"])

    message = str(caught.value)
    assert message.startswith("Plugin 'odd' of mpcsfaas-odd 1.2 cannot be used: ")
    assert cause in message
    assert message.endswith("Repair, update or uninstall mpcsfaas-odd, or choose another plugin.")
    assert "\n" not in message
    assert load("memory").kind is Kind.STORAGE
    assert {info.name: (info.status, info.reason) for info in catalogue()}["odd"] == ("broken", message)


@pytest.mark.parametrize(
    ("header", "cause"),
    [
        ("from mpcsfaas import hookimpl", "declares no MPCSFAAS_API_VERSION; this mpcsfaas has version 1"),
        (HEADER.replace("= 1", "= 2"), "written for version 2 of the plugin API, this mpcsfaas has 1"),
    ],
)
def test_the_api_version_must_be_ours(installed: Distributions, header: str, cause: str) -> None:
    installed.add("odd", DETECTOR, header=header)

    with pytest.raises(PluginError, match=cause):
        load("odd")


@pytest.mark.parametrize("name", ["Odd", "odd-one", "1odd", "odd.one"])
def test_a_name_must_fit_into_a_flag_a_variable_and_a_url(installed: Distributions, name: str) -> None:
    installed.add(name, DETECTOR, distribution="mpcsfaas-odd")

    with pytest.raises(PluginError, match="must be lower-case letters, digits and underscores"):
        load(name)


def test_the_same_plugin_without_a_defect_is_usable(installed: Distributions) -> None:
    installed.add("odd", DETECTOR)

    assert load("odd").kind is Kind.DETECTOR


def test_an_interrupt_by_the_user_is_not_taken_for_a_defect(installed: Distributions) -> None:
    installed.add("odd", "raise KeyboardInterrupt")

    with pytest.raises(KeyboardInterrupt):
        load("odd")


def test_two_distributions_with_one_name_are_both_named(installed: Distributions) -> None:
    installed.add("odd", DETECTOR, distribution="first")
    installed.add("odd", "raise RuntimeError", distribution="second", version="7")

    with pytest.raises(
        PluginError, match=r"'odd' is declared by first 1\.2 and second 7\. Uninstall all of them but one"
    ):
        load("odd")
    assert [info.status for info in catalogue() if info.name == "odd"] == ["broken", "broken"]


def test_a_default_serializer_that_is_broken_is_logged_and_left_out(
    installed: Distributions, caplog: pytest.LogCaptureFixture
) -> None:
    installed.add("json", "raise RuntimeError", distribution="rival")

    with caplog.at_level(logging.WARNING):
        names = [serializer.name for serializer in Plugins().serializers()]

    assert names == ["dill", "cloudpickle", "msgpack"]
    assert "'json' is declared by mpcsfaas" in caplog.text
    assert "rival 1.2" in caplog.text


def test_registering_twice_is_registering_once() -> None:
    class Observer:
        """Nothing."""

    hooks, plugin = Hooks(), Observer()
    hooks.register("one", plugin)
    hooks.register("two", plugin)


def test_a_hook_specification_is_no_implementation() -> None:
    class Confused:
        @hookspec
        def mpcsfaas_cli(self) -> None:
            """Marked as what it is not."""

    with pytest.raises(HookDefect, match=r"not marked with @mpcsfaas\.hookimpl"):
        Hooks().register("confused", Confused())
