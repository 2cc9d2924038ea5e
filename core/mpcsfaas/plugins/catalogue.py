"""Everything that is installed, with what is wrong with it."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from mpcsfaas.errors import PluginError
from mpcsfaas.plugins.discovery import Registration, clash, registrations
from mpcsfaas.plugins.hooks import Kind
from mpcsfaas.plugins.loading import Plugin, load_registration


@dataclass(frozen=True, slots=True)
class PluginInfo:
    """One installed plugin. `kind` is None while it cannot be known, because the plugin is broken."""

    name: str
    kind: Kind | None
    distribution: str
    version: str
    status: str
    """`ok` or `broken`."""
    reason: str = ""
    """Why it is broken, and what to do."""
    summary: str = ""
    options: dict[str, Any] | None = None
    """JSON schema of its options."""


def catalogue() -> list[PluginInfo]:
    """Every installed plugin, sorted by name. Imports each; one that is broken is reported as such, never raised."""
    return [info for _, group in groupby(registrations(), lambda one: one.name) for info in _same_name(group)]


def installed_of_kind(kind: Kind) -> list[str]:
    """The names of the usable plugins of one kind."""
    return [info.name for info in catalogue() if info.kind is kind]


def _same_name(group: Iterable[Registration]) -> list[PluginInfo]:
    rivals = list(group)
    if len(rivals) > 1:
        return [_broken(rival, clash(rivals)) for rival in rivals]
    try:
        return [_usable(load_registration(rivals[0]))]
    except PluginError as error:
        return [_broken(rivals[0], str(error))]


def _usable(plugin: Plugin) -> PluginInfo:
    registration = plugin.registration
    return PluginInfo(
        name=plugin.name,
        kind=plugin.kind,
        distribution=registration.distribution,
        version=registration.version,
        status="ok",
        summary=plugin.summary,
        options=plugin.options.model_json_schema(),
    )


def _broken(registration: Registration, reason: str) -> PluginInfo:
    return PluginInfo(
        name=registration.name,
        kind=None,
        distribution=registration.distribution,
        version=registration.version,
        status="broken",
        reason=reason,
    )
