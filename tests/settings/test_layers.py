"""The highest layer that has a value wins, whatever the values and wherever they are."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ByteSize, Field, SecretStr

from mpcsfaas.errors import SettingsError
from mpcsfaas.interfaces import PluginOptions
from mpcsfaas.settings import Configuration, Document, Environment, Flags, Settings, flag_of, toml_key_of, variable_of

FILE = Path("mpcsfaas.toml")
PLUGINS = ("local", "push", "push_far", "max")


class Options(PluginOptions):
    """One option of every sort that plugins may have."""

    workers: int = Field(4, description="How many.")
    ratio: float = Field(0.5, description="How much.")
    eager: bool = Field(False, description="Whether.")
    title: str = Field("none", description="What.")
    limit: ByteSize | None = Field(None, description="How big.")
    labels: tuple[str, ...] = Field((), description="Which.")


def words(values: tuple[str, ...]) -> str:
    return ",".join(values)


TEXT = st.text(st.characters(codec="ascii", categories=("L", "N")), min_size=1, max_size=8)
PORT = st.integers(0, 65535)
DURATION = st.floats(0.001, 1e6, allow_nan=False)
SIZE = st.integers(1, 2**40)
NAMES = st.lists(TEXT, max_size=3).map(tuple)
PATH = TEXT.map(lambda name: Path("/") / name)
SETTINGS: dict[str, tuple[st.SearchStrategy[Any], Callable[[Any], str]]] = {
    "host": (TEXT, str),
    "port": (PORT, str),
    "allowed_hosts": (NAMES, words),
    "require_keys": (st.booleans(), str),
    "behind_proxy": (st.booleans(), str),
    "tls_certificate": (PATH, str),
    "tls_key": (PATH, str),
    "allow_functions": (PATH, str),
    "audit_log": (TEXT, str),
    "seal_key": (PATH, str),
    "insecure_open_to_network": (st.booleans(), str),
    "url": (TEXT, str),
    "api_key": (TEXT.map(SecretStr), SecretStr.get_secret_value),
    "state_dir": (PATH, str),
    "storage": (TEXT, str),
    "plugins": (NAMES, words),
    "dashboard": (st.booleans(), str),
    "worker_key": (TEXT.map(lambda name: Path("/") / name), str),
    "insecure_plaintext": (st.booleans(), str),
    "max_body": (SIZE, str),
    "max_payload": (SIZE, str),
    "deadline": (DURATION, repr),
    "lease": (DURATION, repr),
    "drain_timeout": (DURATION, repr),
    "log_format": (st.sampled_from(["text", "json"]), str),
    "log_level": (st.sampled_from(["debug", "info", "warning", "error"]), str),
}
OPTIONS: dict[str, tuple[st.SearchStrategy[Any], Callable[[Any], str]]] = {
    "workers": (st.integers(), str),
    "ratio": (DURATION, repr),
    "eager": (st.booleans(), str),
    "title": (TEXT, str),
    "limit": (SIZE, str),
    "labels": (NAMES, words),
}


def layer_of(
    fields: dict[str, tuple[st.SearchStrategy[Any], Callable[[Any], str]]],
) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional={name: strategy for name, (strategy, _) in fields.items()})


def in_toml(values: dict[str, Any]) -> dict[str, Any]:
    return {name: _plain(value) for name, value in values.items()}


def _plain(value: Any) -> Any:
    match value:
        case Path():
            return str(value)
        case tuple():
            return list(value)
    return value


def as_words(prefix: str, values: dict[str, Any]) -> dict[str, str]:
    fields = OPTIONS if prefix else SETTINGS
    return {prefix + name: fields[name][1](value) for name, value in values.items()}


def configuration(
    flags: dict[str, str] | None = None,
    variables: dict[str, str] | None = None,
    content: dict[str, Any] | None = None,
) -> Configuration:
    return Configuration(Flags(flags or {}), Environment(variables or {}, PLUGINS), Document(content or {}, FILE))


def test_every_setting_is_generated() -> None:
    assert set(SETTINGS) == set(Settings.model_fields)
    assert set(OPTIONS) == set(Options.model_fields)


@given(*[layer_of(SETTINGS)] * 3)
def test_the_highest_layer_wins(flags: dict[str, Any], variables: dict[str, Any], content: dict[str, Any]) -> None:
    environment = {variable_of(key): word for key, word in as_words("", variables).items()}

    settings = configuration(as_words("", flags), environment, in_toml(content)).settings

    assert settings == Settings(**{**content, **variables, **flags})


@given(*[layer_of(OPTIONS)] * 3)
def test_the_highest_layer_wins_for_options_of_a_plugin(
    flags: dict[str, Any], variables: dict[str, Any], content: dict[str, Any]
) -> None:
    environment = {variable_of(key): word for key, word in as_words("local.", variables).items()}
    table = {"options": {"local": in_toml(content), "push": {"workers": -1}}}

    options = configuration(as_words("local.", flags), environment, table).options("local", Options)

    assert options == Options(**{**content, **variables, **flags})


def test_the_default_storage_is_in_the_state_folder() -> None:
    assert configuration({"state_dir": "/var/lib/faas"}).settings.storage == "sqlite:////var/lib/faas/mpcsfaas.db"


def test_a_state_folder_may_begin_at_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")

    assert configuration(content={"state_dir": "~/faas"}).settings.state_dir == Path("/home/someone/faas")


@pytest.mark.parametrize(
    ("word", "size"), [("1", 1), ("64MB", 64 * 10**6), ("64MiB", 64 * 2**20), ("1.5 KiB", 1536), ("2g", 2 * 10**9)]
)
def test_sizes_have_units(word: str, size: int) -> None:
    assert configuration({"max_body": word}).settings.max_body == size


@pytest.mark.parametrize(
    ("variable", "section", "name"),
    [
        ("MPCSFAAS_PUSH_WORKERS", "push", "workers"),
        ("MPCSFAAS_PUSH_FAR_WORKERS", "push_far", "workers"),
        ("MPCSFAAS_LOCAL_WORKERS", "local", "workers"),
    ],
)
def test_a_variable_belongs_to_the_longest_plugin_name(variable: str, section: str, name: str) -> None:
    found = {plugin: configuration(variables={variable: "7"}).options(plugin, Options) for plugin in PLUGINS}

    assert [plugin for plugin, options in found.items() if getattr(options, name) == 7] == [section]


def test_a_variable_of_the_platform_is_no_plugins() -> None:
    class Body(PluginOptions):
        body: int = Field(1, description="Something else than max_body.")

    layers = configuration(variables={"MPCSFAAS_MAX_BODY": "7"})

    assert layers.settings.max_body == 7
    assert layers.options("max", Body) == Body()


WRONG: dict[str, tuple[dict[str, dict[str, Any]], str]] = {
    "flag": ({"flags": {"port": "x"}}, "--port cannot be 'x': Input should be a valid integer"),
    "flag's meaning": ({"flags": {"port": "x"}}, "Its meaning: Port that the gateway listens on"),
    "variable": ({"variables": {"MPCSFAAS_PORT": "70000"}}, "MPCSFAAS_PORT cannot be '70000': Input should be less"),
    "choice": (
        {"content": {"log_level": "loud"}},
        "log_level in mpcsfaas.toml cannot be 'loud': Input should be 'debug'",
    ),
    "type": ({"content": {"port": [1]}}, "port in mpcsfaas.toml cannot be [1]: Input should be a valid integer"),
    "size": ({"content": {"max_body": "big"}}, "max_body in mpcsfaas.toml cannot be 'big': could not parse value"),
    "nobody's home": (
        {"content": {"state_dir": "~unheard-of/x"}},
        "state_dir in mpcsfaas.toml cannot be '~unheard-of/x': Value error, Could not determine home directory",
    ),
    "unknown variable": (
        {"variables": {"MPCSFAAS_PROT": "1"}},
        "no setting 'MPCSFAAS_PROT'. Did you mean 'MPCSFAAS_PORT'?",
    ),
    "unknown key": (
        {"content": {"prot": 1}},
        "no setting 'prot' in mpcsfaas.toml. Did you mean 'port'? Known: allow_functions, allowed_hosts",
    ),
    "unknown table": (
        {"content": {"options": {"locla": {}}}},
        "[options.locla] in mpcsfaas.toml is for a plugin that is not installed. Did you mean 'local'?",
    ),
    "options no table": ({"content": {"options": 3}}, "options in mpcsfaas.toml is 3, but must be a table"),
    "plugins a table": (
        {"content": {"plugins": {"local": {}}}},
        "plugins in mpcsfaas.toml must be a list of plugins to use. Options go in [options.PLUGIN].",
    ),
}
WRONG_OPTIONS: dict[str, tuple[dict[str, dict[str, Any]], str]] = {
    "flag": ({"flags": {"local.workers": "x"}}, "--local-workers cannot be 'x': Input should be a valid integer"),
    "variable": ({"variables": {"MPCSFAAS_LOCAL_EAGER": "so"}}, "MPCSFAAS_LOCAL_EAGER cannot be 'so': Input should be"),
    "key": (
        {"content": {"options": {"local": {"workers": 1.5}}}},
        "options.local.workers in mpcsfaas.toml cannot be 1.5: Input should be a valid integer",
    ),
    "unknown variable": (
        {"variables": {"MPCSFAAS_LOCAL_WROKERS": "1"}},
        "Plugin 'local' has no option 'MPCSFAAS_LOCAL_WROKERS'. Did you mean 'MPCSFAAS_LOCAL_WORKERS'? Known: ",
    ),
    "unknown key": (
        {"content": {"options": {"local": {"wrokers": 1}}}},
        "Plugin 'local' has no option 'options.local.wrokers' in mpcsfaas.toml. Did you mean 'options.local.workers'?",
    ),
    "no table": ({"content": {"options": {"local": 3}}}, "options.local in mpcsfaas.toml is 3, but must be a table"),
}


@pytest.mark.parametrize(("layers", "message"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_setting_is_told_where_it_is_written(layers: dict[str, dict[str, Any]], message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        configuration(**layers)

    assert message in str(caught.value)


@pytest.mark.parametrize(("layers", "message"), WRONG_OPTIONS.values(), ids=WRONG_OPTIONS.keys())
def test_a_wrong_option_is_told_where_it_is_written_when_its_plugin_is_used(
    layers: dict[str, dict[str, Any]], message: str
) -> None:
    unused = configuration(**layers)

    with pytest.raises(SettingsError) as caught:
        unused.options("local", Options)

    assert message in str(caught.value)


def test_options_that_contradict_each_other_are_all_told() -> None:
    class Range(PluginOptions):
        low: int = Field(0, description="Least.")
        high: int = Field(9, description="Most.")

        def model_post_init(self, context: Any) -> None:
            if self.low > self.high:
                raise ValueError("low must not be over high")

    layers = configuration({"local.low": "5"}, {"MPCSFAAS_LOCAL_HIGH": "3"})

    with pytest.raises(
        SettingsError, match="--local-low and MPCSFAAS_LOCAL_HIGH cannot be used: Value error, low must"
    ):
        layers.options("local", Range)


@pytest.mark.parametrize(
    ("key", "flag", "variable", "toml"),
    [
        ("max_body", "--max-body", "MPCSFAAS_MAX_BODY", "max_body"),
        ("local.path", "--local-path", "MPCSFAAS_LOCAL_PATH", "options.local.path"),
        ("a_b.c_d", "--a-b-c-d", "MPCSFAAS_A_B_C_D", "options.a_b.c_d"),
    ],
)
def test_a_key_is_spelt_alike_everywhere(key: str, flag: str, variable: str, toml: str) -> None:
    assert (flag_of(key), variable_of(key), toml_key_of(key)) == (flag, variable, toml)
