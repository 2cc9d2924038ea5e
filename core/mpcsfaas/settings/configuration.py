"""The layers together."""

import os
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar, get_origin

from pydantic import BaseModel, BeforeValidator, ValidationError
from pydantic.fields import FieldInfo

from mpcsfaas.errors import SettingsError
from mpcsfaas.interfaces import PluginOptions
from mpcsfaas.plugins import did_you_mean, installed_names
from mpcsfaas.settings.keys import OPTIONS_TABLE, OWN_SECTIONS, key_of
from mpcsfaas.settings.layers import CONFIG_VARIABLE, Document, Environment, Flags, Layer
from mpcsfaas.settings.model import Settings, xdg_folder

CONFIG_NAME = "mpcsfaas.toml"
Model = TypeVar("Model", bound=BaseModel)


class Configuration:
    """The platform's settings, and the options of each plugin that is asked for. The first layer with a value wins."""

    def __init__(self, flags: Flags, environment: Environment, document: Document) -> None:
        """Raises `SettingsError`, naming the flag, variable or key, for what is unknown or cannot be used."""
        self._layers: tuple[Layer, ...] = (flags, environment, document)
        _check_tables(document, environment.plugin_names)
        self.settings = self._resolve("", Settings, Settings.model_fields, {})

    @classmethod
    def read(cls, flags: Flags | None = None, config: Path | None = None) -> "Configuration":
        """Read the environment and the settings file, which is `config` if given. Raises `SettingsError`."""
        environment = Environment(dict(os.environ), (*installed_names(), *OWN_SECTIONS))
        return cls(flags or Flags(), environment, read_document(config))

    def options(self, plugin: str, model: type[PluginOptions]) -> PluginOptions:
        """The options of a plugin. Raises `SettingsError`."""
        inherited = {name: getattr(self.settings, name) for name in model.inherited()}
        return self._resolve(plugin, model, model.own_fields(), inherited)

    def _resolve(
        self, section: str, model: type[Model], fields: Mapping[str, FieldInfo], inherited: Mapping[str, Any]
    ) -> Model:
        self._refuse_unknown(section, fields)
        values, origins = dict(inherited), {}
        for name, field in fields.items():
            key = key_of(section, name)
            layer = next((layer for layer in self._layers if layer.get(key) is not None), None)
            if layer:
                values[name] = _words(layer.get(key), field)
                origins[name] = layer.spelling(key) + layer.place
        try:
            return model(**values)
        except ValidationError as error:
            raise SettingsError(_invalid(error, model, origins)) from error

    def _refuse_unknown(self, section: str, names: Iterable[str]) -> None:
        for layer in self._layers:
            known = {layer.spelling(key_of(section, name)) for name in names}
            for key in layer.keys(section):
                if layer.spelling(key) not in known:
                    raise SettingsError(_unknown(layer, key, section, known))


def read_document(config: Path | None) -> Document:
    """The settings file: `config`, `MPCSFAAS_CONFIG`, `./mpcsfaas.toml`, or the user's own; the first that is there.

    Raises `SettingsError` if a file that was named is missing, or if it is not TOML.
    """
    named = config or (Path(variable) if (variable := os.environ.get(CONFIG_VARIABLE)) else None)
    usual = (Path(CONFIG_NAME), xdg_folder("XDG_CONFIG_HOME", ".config") / CONFIG_NAME)
    path = named or next((one for one in usual if one.is_file()), None)
    if path is None:
        return Document()
    try:
        return Document(tomllib.loads(path.read_text(encoding="utf-8")), path)
    except OSError as error:
        raise SettingsError(f"The settings file {path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise SettingsError(f"The settings file {path} is not TOML: {error}.") from error


def _words(value: Any, field: FieldInfo) -> Any:
    """What is wanted as a tuple may be written as words with commas, too, unless the field splits words its own way."""
    own_way = any(isinstance(rule, BeforeValidator) for rule in field.metadata)
    if own_way or get_origin(field.annotation) is not tuple or not isinstance(value, str | list):
        return value
    parts = [value] if isinstance(value, str) else value
    return [word for part in parts for word in (_split(part) if isinstance(part, str) else [part])]


def _split(words: str) -> list[str]:
    return [word.strip() for word in words.split(",") if word.strip()]


def _check_tables(document: Document, plugin_names: Iterable[str]) -> None:
    if isinstance(document.content.get("plugins"), dict):
        raise SettingsError(
            f"plugins{document.place} must be a list of plugins to use. Options go in [{OPTIONS_TABLE}.PLUGIN]."
        )
    for section in document.sections():
        if section not in plugin_names:
            raise SettingsError(
                f"[{OPTIONS_TABLE}.{section}]{document.place} is for a plugin that is not installed."
                f"{did_you_mean(section, plugin_names)} Correct it, remove it, or install the plugin."
            )


def _unknown(layer: Layer, key: str, section: str, known: Iterable[str]) -> str:
    spelling = layer.spelling(key)
    subject = f"Plugin {section!r} has no option" if section else "There is no setting"
    choices = ", ".join(sorted(known)) or "none"
    return f"{subject} {spelling!r}{layer.place}.{did_you_mean(spelling, known)} Known: {choices}."


def _invalid(error: ValidationError, model: type[BaseModel], origins: Mapping[str, str]) -> str:
    details = error.errors()[0]
    name = str(details["loc"][0]) if details["loc"] else ""
    if name not in origins:
        return f"{' and '.join(origins.values())} cannot be used: {details['msg']}."
    meaning = (model.model_fields[name].description or "").rstrip(".")
    return f"{origins[name]} cannot be {details['input']!r}: {details['msg']}. Its meaning: {meaning}."
