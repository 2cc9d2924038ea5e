"""Where values come from: each layer answers for its keys, and knows how the user wrote them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from mpcsfaas.errors import SettingsError
from mpcsfaas.settings.keys import OPTIONS_TABLE, PREFIX, flag_of, key_of, split_key, toml_key_of, variable_of
from mpcsfaas.settings.model import Settings

CONFIG_VARIABLE = "MPCSFAAS_CONFIG"


class Layer(Protocol):
    """One origin of values."""

    @property
    def place(self) -> str:
        """Where the layer is, to follow a spelling in a message; may be empty."""

    def get(self, key: str) -> Any:
        """The value of a key; None if this layer has none."""

    def spelling(self, key: str) -> str:
        """The key as the user writes it here."""

    def keys(self, section: str) -> Iterable[str]:
        """The keys that this layer has of a plugin, or of the platform itself if `section` is empty."""


@dataclass(frozen=True)
class Flags:
    """Values from the command line, by key."""

    values: Mapping[str, Any] = field(default_factory=dict)
    spellings: Mapping[str, str] = field(default_factory=dict)
    """How a key's flag is spelt, where it is not made of the key."""
    place = ""

    def get(self, key: str) -> Any:
        """See `Layer`."""
        return self.values.get(key)

    def spelling(self, key: str) -> str:
        """See `Layer`."""
        return self.spellings.get(key, flag_of(key))

    def keys(self, section: str) -> Iterable[str]:
        """Nothing: the command line refuses unknown flags itself."""
        return ()


@dataclass(frozen=True)
class Environment:
    """Values from the variables whose names begin with `MPCSFAAS_`."""

    variables: Mapping[str, str]
    plugin_names: tuple[str, ...]
    """The installed plugins: they decide which variable is whose."""
    place = ""

    def get(self, key: str) -> Any:
        """See `Layer`."""
        variable = variable_of(key)
        return self.variables.get(variable) if self._section(variable) == split_key(key)[0] else None

    def spelling(self, key: str) -> str:
        """See `Layer`."""
        return variable_of(key)

    def keys(self, section: str) -> Iterable[str]:
        """See `Layer`."""
        start = variable_of(key_of(section, ""))
        mine = [name for name in self.variables if name.startswith(PREFIX) and name != CONFIG_VARIABLE]
        return [key_of(section, name.removeprefix(start).lower()) for name in mine if self._section(name) == section]

    def _section(self, variable: str) -> str:
        # `MPCSFAAS_A_B_C` could be three things. The platform's settings go first, then the longest plugin name.
        if variable.removeprefix(PREFIX).lower() in Settings.model_fields:
            return ""
        fitting = [name for name in self.plugin_names if variable.startswith(variable_of(key_of(name, "")))]
        return max(fitting, key=len, default="")


@dataclass(frozen=True)
class Document:
    """Values from a TOML file: settings at the top, a plugin's options in `[options.NAME]`."""

    content: Mapping[str, Any] = field(default_factory=dict)
    path: Path | None = None

    @property
    def place(self) -> str:
        """See `Layer`."""
        return f" in {self.path}"

    def get(self, key: str) -> Any:
        """See `Layer`."""
        section, name = split_key(key)
        return self._table(section).get(name)

    def spelling(self, key: str) -> str:
        """See `Layer`."""
        return toml_key_of(key)

    def keys(self, section: str) -> Iterable[str]:
        """See `Layer`."""
        return [key_of(section, name) for name in self._table(section) if section or name != OPTIONS_TABLE]

    def sections(self) -> Iterable[str]:
        """The plugins that the file has options of."""
        return self._options()

    def _table(self, section: str) -> Mapping[str, Any]:
        if not section:
            return self.content
        return _table_or_error(self._options().get(section, {}), toml_key_of(section + "."), self.place)

    def _options(self) -> Mapping[str, Any]:
        return _table_or_error(self.content.get(OPTIONS_TABLE, {}), OPTIONS_TABLE, self.place)


def _table_or_error(value: Any, name: str, place: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise SettingsError(
            f"{name.rstrip('.')}{place} is {value!r}, but must be a table. Options go in [{OPTIONS_TABLE}.PLUGIN]."
        )
    return value
