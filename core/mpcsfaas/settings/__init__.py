"""Settings, from four layers: command line > environment `MPCSFAAS_*` > `mpcsfaas.toml` > defaults."""

from mpcsfaas.settings.configuration import Configuration, read_document
from mpcsfaas.settings.keys import flag_of, key_of, toml_key_of, variable_of
from mpcsfaas.settings.layers import Document, Environment, Flags
from mpcsfaas.settings.model import Settings, state_folder

__all__ = [
    "Configuration",
    "Document",
    "Environment",
    "Flags",
    "Settings",
    "flag_of",
    "key_of",
    "read_document",
    "state_folder",
    "toml_key_of",
    "variable_of",
]
