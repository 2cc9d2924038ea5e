"""The typed facade over pluggy: the only place that builds a plugin manager or calls a hook."""

import inspect
import logging
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Any

import pluggy

from mpcsfaas import hookspecs
from mpcsfaas.errors import MpcsfaasError, PluginError
from mpcsfaas.hookspecs import PROJECT
from mpcsfaas.interfaces import PluginOptions, Storage
from mpcsfaas.model import DispatcherInfo, State
from mpcsfaas.plugins.discovery import did_you_mean

if TYPE_CHECKING:
    import typer
    from fastapi import FastAPI

logger = logging.getLogger(__name__)


class Kind(StrEnum):
    """What a plugin adds."""

    STORAGE = "storage"
    SERIALIZER = "serializer"
    STRATEGY = "strategy"
    DETECTOR = "detector"
    EXTENSION = "extension"
    """No class, only routes, commands or observers."""


class HookDefect(Exception):
    """A plugin's hooks are not what the specification asks for."""


class Hooks:
    """Registered plugins, and one method per hook."""

    def __init__(self) -> None:
        self._manager = pluggy.PluginManager(PROJECT)
        self._manager.add_hookspecs(hookspecs)

    def register(self, name: str, plugin: object) -> None:
        """Add a plugin's hooks. Raises `HookDefect` for one that is unknown, unmarked, async or has wrong arguments."""
        if self._manager.is_registered(plugin):
            return
        for attribute, function in _candidates(plugin):
            self._check(plugin, attribute, function)
        try:
            self._manager.register(plugin, name)
        except (pluggy.PluginValidationError, ValueError) as error:
            raise HookDefect(" ".join(str(error).split())) from error

    def classes(self) -> dict[Kind, list[Any]]:
        """What the plugins' class hooks return, by kind; a kind whose hook nobody implements is left out."""
        hook = self._manager.hook
        answers = {
            Kind.STORAGE: hook.mpcsfaas_storages(),
            Kind.SERIALIZER: hook.mpcsfaas_serializers(),
            Kind.STRATEGY: hook.mpcsfaas_dispatch_strategies(),
            Kind.DETECTOR: hook.mpcsfaas_failure_detectors(),
        }
        return {kind: answer for kind, answer in answers.items() if answer}

    def gateway_routes(self, app: "FastAPI", storage: Storage) -> None:
        """Let plugins add routes. Raises `PluginError`, naming the plugin that failed."""
        for name, call in self._calls("mpcsfaas_gateway_routes", app=app, storage=storage):
            _guard(name, "mpcsfaas_gateway_routes", call)

    def dispatcher_starts(self, options_of: Callable[[str], PluginOptions], storage: Storage) -> None:
        """Let plugins, each with its options, get ready beside a dispatcher. Raises `PluginError`, or what is ours."""
        hook = "mpcsfaas_dispatcher_starts"
        for one in self._implementations(hook):
            arguments = {"options": options_of(one.plugin_name), "storage": storage}
            _guard(one.plugin_name, hook, _bound(one, arguments))

    def cli(self, app: "typer.Typer") -> None:
        """Let plugins add commands. Raises `PluginError`, naming the plugin that failed."""
        for name, call in self._calls("mpcsfaas_cli", app=app):
            _guard(name, "mpcsfaas_cli", call)

    def tasks_changed(self, task_ids: list[str], state: State) -> None:
        """Tell observers. Never raises: errors are logged."""
        for name, call in self._calls("mpcsfaas_tasks_changed", task_ids=task_ids, state=state):
            _observe(name, "mpcsfaas_tasks_changed", call)

    def workers_changed(self, dispatcher: DispatcherInfo) -> None:
        """Tell observers. Never raises: errors are logged."""
        for name, call in self._calls("mpcsfaas_workers_changed", dispatcher=dispatcher):
            _observe(name, "mpcsfaas_workers_changed", call)

    def _calls(self, hook: str, **arguments: object) -> Iterator[tuple[str, Callable[[], object]]]:
        # One call per plugin, so that one plugin's error neither hides its name nor starves the others.
        for one in self._implementations(hook):
            yield one.plugin_name, _bound(one, arguments)

    def _implementations(self, hook: str) -> Iterator[pluggy.HookImpl]:
        """In the order of selection."""
        implementations: list[pluggy.HookImpl] = getattr(self._manager.hook, hook).get_hookimpls()
        return reversed(implementations)

    def _check(self, plugin: object, attribute: str, function: Callable[..., object]) -> None:
        marks = self._manager.parse_hookimpl_opts(plugin, attribute)
        hook = (marks and marks.get("specname")) or attribute
        known = [name for name in dir(hookspecs) if name.startswith("mpcsfaas_")]
        if hook not in known:
            raise HookDefect(f"there is no hook {hook!r}.{did_you_mean(hook, known)} The hooks are: {', '.join(known)}")
        if marks is None:
            raise HookDefect(f"{attribute!r} is not marked with @mpcsfaas.hookimpl")
        if marks["wrapper"] or marks["hookwrapper"]:
            raise HookDefect(f"{attribute!r} is a hook wrapper; hooks of mpcsfaas cannot be wrapped")
        if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
            raise HookDefect(f"{attribute!r} is async; hooks are plain functions")


def _bound(implementation: pluggy.HookImpl, arguments: Mapping[str, object]) -> Callable[[], object]:
    """A call with those of the arguments that the plugin wants."""
    return partial(implementation.function, **{name: arguments[name] for name in implementation.argnames})


def _candidates(plugin: object) -> Iterator[tuple[str, Callable[..., object]]]:
    for attribute in dir(plugin):
        function = getattr(plugin, attribute)
        if inspect.isroutine(function) and (attribute.startswith("mpcsfaas_") or hasattr(function, f"{PROJECT}_impl")):
            yield attribute, function


def _guard(name: str, hook: str, call: Callable[[], object]) -> None:
    try:
        call()
    except MpcsfaasError:
        raise
    except Exception as error:
        raise PluginError(
            f"Plugin {name!r} failed in {hook}: {type(error).__name__}: {error}. Leave it out, or ask its author."
        ) from error


def _observe(name: str, hook: str, call: Callable[[], object]) -> None:
    try:
        call()
    except Exception:
        logger.exception("Plugin %r failed in %s; going on without it", name, hook)
