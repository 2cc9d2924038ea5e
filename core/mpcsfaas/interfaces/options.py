"""The base of every plugin's options."""

from pydantic import BaseModel, ConfigDict


class PluginOptions(BaseModel):
    """A plugin's own settings: one subclass per plugin, from which CLI flags, environment and TOML are derived.

    Every field needs a default and a description, and a type that one command-line word can express.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
