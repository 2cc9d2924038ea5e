"""The base of every plugin's options."""

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict
from pydantic.fields import FieldInfo


@dataclass(frozen=True)
class Inherited:
    """Marks an option that is the platform's setting of the same name, as in `Annotated[Path, Inherited()]`.

    It is not given for the plugin, and has no flag, variable or key of its own.
    """


class PluginOptions(BaseModel):
    """A plugin's own settings: one subclass per plugin, from which CLI flags, environment and TOML are derived.

    Every field needs a default and a description, and a type that one command-line word can express.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    @classmethod
    def own_fields(cls) -> Mapping[str, FieldInfo]:
        """The fields that can be given."""
        return {name: field for name, field in cls.model_fields.items() if name not in cls.inherited()}

    @classmethod
    def inherited(cls) -> frozenset[str]:
        """The names of the fields that are the platform's settings."""
        return frozenset(name for name, field in cls.model_fields.items() if Inherited() in field.metadata)
