"""Commands that need settings and plugins: their flags are made from the models that describe them.

Which plugins a command line uses decides which flags it has; so the flags are made when the command line is known.
"""

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from pydantic import BaseModel, ByteSize

from mpcsfaas.cli.completion import plugin_names
from mpcsfaas.errors import MpcsfaasError
from mpcsfaas.interfaces import PluginOptions
from mpcsfaas.plugins import EXCLUSIVE_KINDS, Kind, OptionsSource, Plugin, Plugins
from mpcsfaas.settings import Configuration, Flags, Settings, flag_of, key_of

Function = TypeVar("Function", bound=Callable[..., Any])

SPELLINGS: Mapping[str, tuple[str, ...]] = {"plugins": ("--plugin", "-m"), "port": ("--port", "-p")}
"""Settings with flags that are not made of their key alone."""
STRATEGY_SPELLINGS: Mapping[str, tuple[str, ...]] = {
    "workers": ("--workers", "-w"),
    "port": ("--port", "-p"),
    "path": ("--path",),
}
"""Options of whichever strategy is used that have flags without its name too."""
OWN_SPELLINGS: Mapping[str, tuple[str, ...]] = {"workers": ("--workers", "-w", "-n")}
"""Options of a section that is the command's own with flags that are not made of their name alone."""
CONFIG_OPTION = typer.Option("--config", help="Settings file to read instead of mpcsfaas.toml.", show_default=False)


@dataclass(frozen=True)
class Setup:
    """What a configured command works with."""

    settings: Settings
    plugins: Plugins
    options: OptionsSource
    """Options of a plugin, or of a section that is the command's own."""
    config: Path | None
    """The settings file that the command line names."""


@dataclass(frozen=True)
class _Wanted:
    settings: tuple[str, ...]
    kinds: tuple[Kind, ...]
    sections: Mapping[str, type[PluginOptions]]
    extensions: tuple[str, ...]


@dataclass(frozen=True)
class _Flag:
    key: str
    names: tuple[str, ...]
    model: type[BaseModel]
    panel: str

    @property
    def parameter_name(self) -> str:
        return self.key.replace(".", "__")

    @property
    def option_name(self) -> str:
        return self.key.rpartition(".")[2]

    def parameter(self) -> inspect.Parameter:
        field = self.model.model_fields[self.option_name]
        first, *others = self.names
        switch = field.annotation is bool
        option = typer.Option(
            *([f"{first}/--no-{first[2:]}", *others] if switch else self.names),
            help=self._help(),
            show_default=False,
            rich_help_panel=self.panel,
            metavar=None if switch else "VALUE",
            autocompletion=plugin_names if self.key == "plugins" else None,
        )
        word: Any = bool if switch else list[str] if self.key == "plugins" else str
        kind = inspect.Parameter.KEYWORD_ONLY
        return inspect.Parameter(self.parameter_name, kind, default=None, annotation=Annotated[word | None, option])

    def _help(self) -> str:
        default = default_text(self.model, self.option_name)
        text = f"{self.model.model_fields[self.option_name].description} {f'Default: {default}.' if default else ''}"
        return text.strip().replace("[", r"\[")  # Not markup.


def default_text(model: type[BaseModel], name: str) -> str:
    """The default of a field of a model without required fields, as one would write it; empty for nothing."""
    default = getattr(model(), name)
    if isinstance(default, ByteSize):
        return default.human_readable()
    if isinstance(default, tuple):
        return ",".join(map(str, default))
    return "" if default is None else str(default)


def configured(
    *settings: str,
    kinds: Sequence[Kind] = (),
    sections: Mapping[str, type[PluginOptions]] | None = None,
    extensions: Sequence[str] = (),
) -> Callable[[Function], Function]:
    """Mark a command that gets a `Setup` as its first argument, and flags for it.

    `settings` are the fields of `Settings` that have a flag; `--config`, `--plugin`, `--log-level` and `--log-format`
    are always there.
    `kinds` are the kinds of plugins that the command uses; `Kind.STORAGE` brings `--storage` as well.
    `sections` are options that are the command's own, with flags that are made of their names alone.
    `extensions` are plugins that the command uses unless the setting of the same name says no.
    """
    storage = ["storage"] if Kind.STORAGE in kinds else []
    wanted = _Wanted(
        ("plugins", *storage, *settings, *extensions, "log_level", "log_format"),
        tuple(kinds),
        sections or {},
        tuple(extensions),
    )

    def mark(function: Function) -> Function:
        function.__dict__["wanted"] = wanted
        return function

    return mark


def bind(function: Callable[..., Any], arguments: Sequence[str] | None) -> Callable[..., Any]:
    """The command that typer is to run for this command line. A function that is not `configured` is that itself.

    Without a command line, it is only to be listed, and has no flags of plugins.
    """
    wanted = getattr(function, "wanted", None)
    if wanted is None:
        return function
    own_flags = [*_setting_flags(wanted), *_section_flags(wanted)]
    flags = [*own_flags, *_option_flags(own_flags, _used_plugins(wanted, arguments))]

    def command(config: Path | None, **given: Any) -> Any:
        values = {flag.key: given.pop(flag.parameter_name) for flag in flags}
        return function(_setup(config, flags, values, wanted.extensions), **given)

    command.__name__ = function.__name__
    command.__doc__ = function.__doc__
    command.__annotations__ = {}
    command.__signature__ = _signature(function, flags)  # type: ignore[attr-defined]
    return command


def _setup(config: Path | None, flags: Sequence[_Flag], values: Mapping[str, Any], extensions: Sequence[str]) -> Setup:
    spellings = {flag.key: flag.names[0] for flag in flags}
    given = {key: value for key, value in values.items() if value not in (None, [], ())}
    configuration = Configuration.read(Flags(given, spellings), config)
    names = [*configuration.settings.plugins, *(one for one in extensions if getattr(configuration.settings, one))]
    plugins = Plugins.select(names, configuration.options)
    return Setup(configuration.settings, plugins, configuration.options, config)


def _setting_flags(wanted: _Wanted) -> Iterator[_Flag]:
    for name in wanted.settings:
        yield _Flag(name, SPELLINGS.get(name, (flag_of(name),)), Settings, "Settings")


def _section_flags(wanted: _Wanted) -> Iterator[_Flag]:
    for section, model in wanted.sections.items():
        for option in model.own_fields():
            names = OWN_SPELLINGS.get(option, (flag_of(option),))
            yield _Flag(key_of(section, option), names, model, f"Options of a {section}")


def _option_flags(own_flags: Sequence[_Flag], plugins: Sequence[Plugin]) -> Iterator[_Flag]:
    taken = {name for flag in own_flags for name in flag.names}
    for plugin in plugins:
        for option in plugin.options.own_fields():
            key = key_of(plugin.name, option)
            short = STRATEGY_SPELLINGS.get(option, ()) if plugin.kind is Kind.STRATEGY else ()
            names = tuple(name for name in (flag_of(key), *short) if name not in taken)
            yield _Flag(key, names, plugin.options, f"Options of {plugin.name} ({plugin.kind})")


def _used_plugins(wanted: _Wanted, arguments: Sequence[str] | None) -> list[Plugin]:
    if arguments is None:
        return []
    try:
        return _selected_plugins(wanted, arguments)
    except MpcsfaasError:
        if "--help" in arguments:
            return []  # Help is what one needs when settings are wrong.
        raise


def _selected_plugins(wanted: _Wanted, arguments: Sequence[str]) -> list[Plugin]:
    named = {"plugins": _values_of(arguments, "--plugin", "-m"), "storage": _values_of(arguments, "--storage")[-1:]}
    flags = Flags({key: values[0] if key == "storage" else values for key, values in named.items() if values})
    config = _values_of(arguments, "--config")[-1:]
    settings = Configuration.read(flags, Path(config[0]) if config else None).settings
    plugins = Plugins.select(settings.plugins)
    used = [plugins.plugin(kind) for kind in wanted.kinds if kind in EXCLUSIVE_KINDS] + plugins.extensions()
    return [*used, plugins.storage_plugin(settings.storage)] if Kind.STORAGE in wanted.kinds else used


def _values_of(arguments: Sequence[str], long: str, short: str | None = None) -> list[str]:
    """The values of a flag, found before the command line can be parsed as a whole."""
    values = []
    words = iter(arguments)
    for word in words:
        if word in (long, short):
            values.append(next(words, ""))
        elif word.startswith(f"{long}="):
            values.append(word.removeprefix(f"{long}="))
        elif short and word.startswith(short) and not word.startswith("--"):
            values.append(word.removeprefix(short))
    return values


def _signature(function: Callable[..., Any], flags: Sequence[_Flag]) -> inspect.Signature:
    keyword_only = inspect.Parameter.KEYWORD_ONLY
    _, *own = inspect.signature(function, eval_str=True).parameters.values()
    config = inspect.Parameter("config", keyword_only, default=None, annotation=Annotated[Path | None, CONFIG_OPTION])
    parameters = [parameter.replace(kind=keyword_only) for parameter in own]
    return inspect.Signature([*parameters, config, *(flag.parameter() for flag in flags)])
