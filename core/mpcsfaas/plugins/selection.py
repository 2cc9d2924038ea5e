"""What a process works with: the plugins that were selected by name, and a default for each kind that was not."""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, cast

from mpcsfaas.errors import MpcsfaasError, PluginError
from mpcsfaas.interfaces import DispatchStrategy, FailureDetector, PluginOptions, Serializer, Storage
from mpcsfaas.model import DispatcherInfo, State
from mpcsfaas.plugins.catalogue import installed_of_kind
from mpcsfaas.plugins.discovery import did_you_mean, installed_names
from mpcsfaas.plugins.hooks import Hooks, Kind
from mpcsfaas.plugins.loading import Plugin, load

if TYPE_CHECKING:
    import typer
    from fastapi import FastAPI

logger = logging.getLogger(__name__)

Options = TypeVar("Options", bound=PluginOptions)
OptionsSource = Callable[[str, type[PluginOptions]], PluginOptions]
"""Gives the options of the plugin with a name, as an instance of its model; raises `SettingsError`."""

DEFAULTS: Mapping[Kind, str] = {Kind.STRATEGY: "local", Kind.DETECTOR: "heartbeat"}
DEFAULTS_BESIDE: Mapping[tuple[Kind, Kind], str] = {(Kind.STRATEGY, Kind.DETECTOR): "push"}
"""The default of the first kind if a plugin of the second was selected: who wants heartbeats has workers elsewhere."""
DEFAULT_SERIALIZERS = ("dill", "cloudpickle", "msgpack", "json")
EXCLUSIVE_KINDS = (Kind.STRATEGY, Kind.DETECTOR)
"""Kinds of which a process uses one at a time."""


def default_options(name: str, model: type[PluginOptions]) -> PluginOptions:
    """The options source that knows no settings."""
    return model()


class Plugins:
    """The plugins of one process. Defaults are loaded only when they are asked for."""

    def __init__(self, selected: Iterable[Plugin] = (), options: OptionsSource = default_options) -> None:
        """Raises `PluginError`, naming both, for two plugins of a kind that excludes a second."""
        self._selected = list(selected)
        self._options = options
        self._hooks = Hooks()
        _check_exclusive(self._selected)
        for plugin in self._selected:
            self._hooks.register(plugin.name, plugin.implementation)

    @classmethod
    def select(cls, names: Sequence[str], options: OptionsSource = default_options) -> "Plugins":
        """Load the plugins with these names. Raises `PluginError` for one that is unknown, broken or excluded."""
        return cls([load(name) for name in dict.fromkeys(names)], options)

    def plugin(self, kind: Kind) -> Plugin:
        """The plugin of an exclusive kind: the selected one, or the default. Raises `PluginError`."""
        return self._first(kind) or _load_as(kind, self._default(kind))

    def storage_plugin(self, url: str) -> Plugin:
        """The plugin that the URL's scheme names. Raises `PluginError` if there is none, or another was selected."""
        name, selected = scheme(url), self._first(Kind.STORAGE)
        if selected and selected.name != name:
            raise PluginError(
                f"Plugin {selected.name!r} is a storage, but the storage URL is {url!r}."
                f" A storage is chosen by its URL alone: --storage {selected.name}://…"
            )
        return selected or _load_as(Kind.STORAGE, name)

    def storage(self, url: str) -> Storage:
        """A storage that is not open yet. Raises `PluginError` or `SettingsError`."""
        plugin = self.storage_plugin(url)
        return cast(Storage, _build(plugin, url, self._options(plugin.name, plugin.options)))

    def strategy(self) -> DispatchStrategy:
        """The dispatch strategy, not started. Raises `PluginError` or `SettingsError`."""
        return cast(DispatchStrategy, self._configured(self.plugin(Kind.STRATEGY)))

    def detector(self) -> FailureDetector:
        """A failure detector. Raises `PluginError` or `SettingsError`."""
        return cast(FailureDetector, self._configured(self.plugin(Kind.DETECTOR)))

    def serializers(self) -> list[Serializer]:
        """The built-in serializers and the selected ones. A built-in one that cannot be used is logged and left out."""
        chosen = [plugin for plugin in self._selected if plugin.kind is Kind.SERIALIZER]
        names = {plugin.name for plugin in chosen}
        defaults = [_load_or_log(name) for name in DEFAULT_SERIALIZERS if name not in names]
        return [cast(Serializer, _build(plugin)) for plugin in [*defaults, *chosen] if plugin]

    def gateway_routes(self, app: "FastAPI", storage: Storage) -> None:
        """Let the selected plugins add routes. Raises `PluginError`, naming the plugin that failed."""
        self._hooks.gateway_routes(app, storage)

    def dispatcher_starts(self, storage: Storage) -> None:
        """Let the selected plugins get ready beside a dispatcher. Raises `PluginError`, `SettingsError`, or theirs."""
        models = {plugin.name: plugin.options for plugin in self._selected}
        self._hooks.dispatcher_starts(lambda name: self._options(name, models[name]), storage)

    def extensions(self) -> list[Plugin]:
        """The selected plugins that only add routes, commands or observers."""
        return [plugin for plugin in self._selected if plugin.kind is Kind.EXTENSION]

    def cli(self, app: "typer.Typer") -> None:
        """Let the selected plugins add commands. Raises `PluginError`, naming the plugin that failed."""
        self._hooks.cli(app)

    def tasks_changed(self, task_ids: list[str], state: State) -> None:
        """Tell the selected plugins, and the log if it wants to know, that tasks reached a state. Never raises."""
        logger.debug("%d tasks are %s.", len(task_ids), state, extra={"task_ids": task_ids, "state": state})
        self._hooks.tasks_changed(task_ids, state)

    def workers_changed(self, dispatcher: DispatcherInfo) -> None:
        """Tell the selected plugins that a dispatcher's workers changed. Never raises."""
        self._hooks.workers_changed(dispatcher)

    def _first(self, kind: Kind) -> Plugin | None:
        return next((plugin for plugin in self._selected if plugin.kind is kind), None)

    def _default(self, kind: Kind) -> str:
        beside = (DEFAULTS_BESIDE.get((kind, plugin.kind)) for plugin in self._selected)
        return next(filter(None, beside), DEFAULTS[kind])

    def _configured(self, plugin: Plugin) -> object:
        return _build(plugin, self._options(plugin.name, plugin.options))


def load_serializer(name: str) -> Serializer:
    """A serializer by its name, selected or not. Reads metadata: keep the answer. Raises `PluginError`."""
    return cast(Serializer, _build(_load_as(Kind.SERIALIZER, name)))


def scheme(url: str) -> str:
    """The part of a storage URL before `://`. Raises `PluginError` if there is none."""
    name, separator, _ = url.partition("://")
    if not (name and separator):
        raise PluginError(f"{url!r} is no storage URL. Write SCHEME://…, for example sqlite:///tasks.db.")
    return name


def _load_as(kind: Kind, name: str) -> Plugin:
    if name not in installed_names():
        raise PluginError(_no_such(kind, name))
    plugin = load(name)
    if plugin.kind is not kind:
        raise PluginError(f"Plugin {name!r} is no {kind}, it is a {plugin.kind}. {_choices(kind)}")
    return plugin


def _no_such(kind: Kind, name: str) -> str:
    known = installed_of_kind(kind)
    return (
        f"There is no {kind} {name!r}.{did_you_mean(name, known)} {_choices(kind)}"
        f" Any other must be installed beside mpcsfaas, as a package with the entry point {name!r}."
    )


def _choices(kind: Kind) -> str:
    return f"Installed of this kind: {', '.join(installed_of_kind(kind)) or 'none'}."


def _load_or_log(name: str) -> Plugin | None:
    try:
        return _load_as(Kind.SERIALIZER, name)
    except PluginError as error:
        logger.warning("Going on without serializer %r: %s", name, error)
        return None


def _check_exclusive(plugins: Iterable[Plugin]) -> None:
    for kind in EXCLUSIVE_KINDS:
        rivals = [plugin for plugin in plugins if plugin.kind is kind]
        if len(rivals) > 1:
            names = " and ".join(repr(rival.name) for rival in rivals)
            raise PluginError(f"Plugins {names} are both of the kind {kind}, of which one can be used. Choose one.")


def _build(plugin: Plugin, *arguments: Any) -> object:
    try:
        instance: object = plugin.cls(*arguments)
    except MpcsfaasError:
        raise
    except Exception as error:
        raise PluginError(
            f"Plugin {plugin.name!r} of {plugin.registration.origin} cannot be set up: {type(error).__name__}: {error}"
        ) from error
    return instance
