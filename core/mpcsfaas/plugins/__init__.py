"""The plugin framework: discovery without import, checks at load, selection by name.

`Plugins` is what a process works with; `catalogue` tells what is installed.
"""

from mpcsfaas.plugins.catalogue import PluginInfo, catalogue
from mpcsfaas.plugins.discovery import Registration, did_you_mean, find, installed_names, registrations
from mpcsfaas.plugins.hooks import Kind
from mpcsfaas.plugins.loading import Plugin, load
from mpcsfaas.plugins.selection import EXCLUSIVE_KINDS, OptionsSource, Plugins, load_serializer

__all__ = [
    "EXCLUSIVE_KINDS",
    "Kind",
    "OptionsSource",
    "Plugin",
    "PluginInfo",
    "Plugins",
    "Registration",
    "catalogue",
    "did_you_mean",
    "find",
    "installed_names",
    "load",
    "load_serializer",
    "registrations",
]
