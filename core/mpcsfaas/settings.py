"""Settings, from four layers: command line > environment `MPCSFAAS_*` > `mpcsfaas.toml` > defaults.

A setting has one key everywhere. `port` is `--port`, `MPCSFAAS_PORT` and `port = …`; the option `workers` of the plugin
`local` is the key `local.workers`: `--local-workers`, `MPCSFAAS_LOCAL_WORKERS` and `[options.local] workers = …`.
"""

import os
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar

from pydantic import BaseModel, ByteSize, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo

from mpcsfaas.errors import SettingsError
from mpcsfaas.interfaces import PluginOptions
from mpcsfaas.plugins import did_you_mean, installed_names

PREFIX = "MPCSFAAS_"
CONFIG_VARIABLE = "MPCSFAAS_CONFIG"
CONFIG_NAME = "mpcsfaas.toml"
OPTIONS_TABLE = "options"

Model = TypeVar("Model", bound=BaseModel)


def _xdg_folder(variable: str, default: str) -> Path:
    # The XDG specification: a relative path in these variables is to be ignored.
    folder = Path(os.environ.get(variable, ""))
    return (folder if folder.is_absolute() else Path.home() / default) / "mpcsfaas"


def _state_folder() -> Path:
    return _xdg_folder("XDG_STATE_HOME", ".local/state")


def _default_storage(values: dict[str, Any]) -> str:
    return f"sqlite:///{values['state_dir']}/mpcsfaas.db"


class Settings(BaseModel):
    """The platform's own settings. Durations in seconds; sizes in bytes, or as `64MB` or `64MiB`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = Field("127.0.0.1", description="Address that the gateway listens on.")
    port: int = Field(8000, ge=0, le=65535, description="Port that the gateway listens on; 0 picks a free one.")
    state_dir: Path = Field(default_factory=_state_folder, description="Folder for what must outlive a restart.")
    storage: str = Field(default_factory=_default_storage, description="URL of the storage; its scheme is a plugin.")
    plugins: tuple[str, ...] = Field((), description="Plugin to use. Repeat it for more than one.")
    max_body: ByteSize = Field(ByteSize(64 * 2**20), gt=0, description="Largest body of a request.")
    max_payload: ByteSize = Field(ByteSize(16 * 2**20), gt=0, description="Largest function, arguments or result.")
    deadline: float | None = Field(None, gt=0, description="Limit of a task that brings no deadline of its own.")
    lease: float = Field(10.0, gt=0, description="How long a dead dispatcher's tasks stay with it.")
    drain_timeout: float = Field(30.0, ge=0, description="How long a dispatcher that ends waits for running tasks.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level that is logged.")


class Layer(Protocol):
    """One origin of values, by key."""

    def get(self, key: str) -> Any:
        """The value of a key; None if this layer has none."""

    def origin(self, key: str) -> str:
        """Where the key is written, as the user wrote it."""

    def keys_of(self, section: str) -> Iterable[str]:
        """The keys of a plugin (of the platform itself, if empty) that this layer has."""


@dataclass(frozen=True)
class Flags:
    """Values from the command line, by key."""

    values: Mapping[str, Any] = field(default_factory=dict)
    spellings: Mapping[str, str] = field(default_factory=dict)
    """How a key's flag is spelt, where it is not the regular way."""

    def get(self, key: str) -> Any:
        """See `Layer`."""
        return self.values.get(key)

    def origin(self, key: str) -> str:
        """See `Layer`."""
        return self.spellings.get(key, flag_of(key))

    def keys_of(self, section: str) -> Iterable[str]:
        """Nothing: the command line refuses unknown flags itself."""
        return ()


@dataclass(frozen=True)
class Environment:
    """Values from variables whose names begin with `MPCSFAAS_`."""

    variables: Mapping[str, str]
    plugin_names: tuple[str, ...]

    def get(self, key: str) -> Any:
        """See `Layer`."""
        section = key.rpartition(".")[0]
        variable = variable_of(key)
        return self.variables.get(variable) if self._section(variable) == section else None

    def origin(self, key: str) -> str:
        """See `Layer`."""
        return variable_of(key)

    def keys_of(self, section: str) -> Iterable[str]:
        """See `Layer`."""
        prefix = variable_of(f"{section}.") if section else PREFIX
        start = f"{section}." if section else ""
        mine = [variable for variable in self.variables if self._is_setting(variable, section)]
        return [start + variable.removeprefix(prefix).lower() for variable in mine]

    def _is_setting(self, variable: str, section: str) -> bool:
        return variable.startswith(PREFIX) and variable != CONFIG_VARIABLE and self._section(variable) == section

    def _section(self, variable: str) -> str:
        # A variable that fits a setting of the platform is that; else the plugin with the longest fitting name has it.
        if variable.removeprefix(PREFIX).lower() in Settings.model_fields:
            return ""
        fitting = [name for name in self.plugin_names if variable.startswith(variable_of(f"{name}."))]
        return max(fitting, key=len, default="")


@dataclass(frozen=True)
class Document:
    """Values from a TOML file."""

    content: Mapping[str, Any] = field(default_factory=dict)
    path: Path | None = None

    def get(self, key: str) -> Any:
        """See `Layer`."""
        section, _, name = key.rpartition(".")
        return self._table(section).get(name)

    def origin(self, key: str) -> str:
        """See `Layer`."""
        return f"{toml_key_of(key)} in {self.path}"

    def keys_of(self, section: str) -> Iterable[str]:
        """See `Layer`."""
        start = f"{section}." if section else ""
        return [start + name for name in self._table(section) if section or name != OPTIONS_TABLE]

    def sections(self) -> Iterable[str]:
        """The plugins that the file has options of."""
        return self._options()

    def _table(self, section: str) -> Mapping[str, Any]:
        if not section:
            return self.content
        table = self._options().get(section, {})
        if not isinstance(table, dict):
            raise SettingsError(
                f"{OPTIONS_TABLE}.{section} in {self.path} must be a table: [{OPTIONS_TABLE}.{section}]."
            )
        return table

    def _options(self) -> Mapping[str, Any]:
        options = self.content.get(OPTIONS_TABLE, {})
        if not isinstance(options, dict):
            raise SettingsError(
                f"{OPTIONS_TABLE} in {self.path} must hold a table per plugin: [{OPTIONS_TABLE}.local]."
            )
        return options


class Configuration:
    """The layers together: gives the platform's settings, and the options of each plugin that is asked for."""

    def __init__(self, flags: Flags, environment: Environment, document: Document) -> None:
        self._layers: tuple[Layer, ...] = (flags, environment, document)
        _check_sections(document, environment.plugin_names)
        self.settings = self._resolve("", Settings)

    @classmethod
    def read(cls, flags: Flags | None = None, config: Path | None = None) -> "Configuration":
        """Read environment and file. `config` is the file that the command line names. Raises `SettingsError`."""
        environment = Environment(dict(os.environ), tuple(installed_names()))
        return cls(flags or Flags(), environment, read_document(config))

    def options(self, plugin: str, model: type[PluginOptions]) -> PluginOptions:
        """The options of a plugin. Raises `SettingsError`."""
        return self._resolve(plugin, model)

    def _resolve(self, section: str, model: type[Model]) -> Model:
        keys = {f"{section}.{name}" if section else name: name for name in model.model_fields}
        self._refuse_unknown(section, keys)
        values, origins = {}, {}
        for key, name in keys.items():
            for layer in self._layers:
                if (value := layer.get(key)) is not None:
                    values[name] = _split(value, model.model_fields[name])
                    origins[name] = layer.origin(key)
                    break
        try:
            return model(**values)
        except ValidationError as error:
            raise SettingsError(_invalid(error, model, origins)) from error

    def _refuse_unknown(self, section: str, known: Iterable[str]) -> None:
        for layer in self._layers:
            spellings = {layer.origin(key) for key in known}
            for key in layer.keys_of(section):
                if layer.origin(key) not in spellings:
                    raise SettingsError(_unknown(layer, key, section, spellings))


def read_document(config: Path | None) -> Document:
    """The settings file: `config`, `MPCSFAAS_CONFIG`, `./mpcsfaas.toml`, or the user's own; the first that is there.

    Raises `SettingsError` if a file that was named is missing, or if one is not TOML.
    """
    named = config or (Path(variable) if (variable := os.environ.get(CONFIG_VARIABLE)) else None)
    usual = (Path(CONFIG_NAME), _xdg_folder("XDG_CONFIG_HOME", ".config") / CONFIG_NAME)
    path = named or next((one for one in usual if one.is_file()), None)
    if path is None:
        return Document()
    try:
        return Document(tomllib.loads(path.read_text(encoding="utf-8")), path)
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"The settings file {path} cannot be read: {error}.") from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"The settings file {path} is not TOML: {error}.") from error


def flag_of(key: str) -> str:
    """The flag of a key: `--local-workers`."""
    return "--" + key.replace(".", "-").replace("_", "-")


def variable_of(key: str) -> str:
    """The environment variable of a key: `MPCSFAAS_LOCAL_WORKERS`."""
    return PREFIX + key.replace(".", "_").replace("-", "_").upper()


def toml_key_of(key: str) -> str:
    """The dotted TOML key of a key: `options.local.workers`."""
    return f"{OPTIONS_TABLE}.{key}" if "." in key else key


def _split(value: Any, details: FieldInfo) -> Any:
    """A word with commas, where a tuple is wanted, is split; TOML and repeated flags bring lists."""
    if isinstance(value, str) and getattr(details.annotation, "__origin__", None) is tuple:
        return [word.strip() for word in value.split(",") if word.strip()]
    return value


def _check_sections(document: Document, plugin_names: Iterable[str]) -> None:
    for section in document.sections():
        if section not in plugin_names:
            raise SettingsError(
                f"[{OPTIONS_TABLE}.{section}] in {document.path} is for a plugin that is not installed."
                f"{did_you_mean(section, plugin_names)}"
            )


def _unknown(layer: Layer, key: str, section: str, spellings: Iterable[str]) -> str:
    of = f"Plugin {section!r} has no option" if section else "There is no setting"
    known = ", ".join(sorted(spellings))
    return f"{of} {layer.origin(key)}.{did_you_mean(layer.origin(key), spellings)} Known: {known}."


def _invalid(error: ValidationError, model: type[BaseModel], origins: Mapping[str, str]) -> str:
    details = error.errors()[0]
    name = str(details["loc"][0]) if details["loc"] else ""
    if name not in origins:
        return f"{', '.join(origins.values())}: {details['msg']}."
    description = (model.model_fields[name].description or "").rstrip(".")
    return f"{origins[name]}: {details['input']!r} cannot be used: {details['msg']}. It means: {description}."
