"""The root command, whose commands are imported only when they are used."""

import os
from collections.abc import Sequence
from copy import copy
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.main import get_command, get_command_name
from typer.models import CommandInfo

import mpcsfaas
from mpcsfaas.cli.configured import bind
from mpcsfaas.errors import MpcsfaasError
from mpcsfaas.plugins import Plugins, installed_names
from mpcsfaas.settings import Configuration, variable_of

COMMANDS = {
    "up": "mpcsfaas.cli.server_commands",
    "serve": "mpcsfaas.cli.server_commands",
    "dispatcher": "mpcsfaas.cli.server_commands",
    "worker": "mpcsfaas.cli.worker_commands",
    "push-worker": "mpcsfaas.cli.worker_commands",
    "pull-worker": "mpcsfaas.cli.worker_commands",
    "worker-keys": "mpcsfaas.cli.worker_key_commands",
    "plugins": "mpcsfaas.cli.plugin_commands",
    "fn": "mpcsfaas.cli.function_commands",
    "run": "mpcsfaas.cli.run_command",
    "tasks": "mpcsfaas.cli.task_commands",
    "result": "mpcsfaas.cli.task_commands",
    "logs": "mpcsfaas.cli.task_commands",
    "cancel": "mpcsfaas.cli.task_commands",
    "top": "mpcsfaas.cli.top",
    "stats": "mpcsfaas.cli.platform_commands",
    "workers": "mpcsfaas.cli.platform_commands",
    "keys": "mpcsfaas.cli.key_commands",
    "seal-key": "mpcsfaas.cli.server_commands",
    "doctor": "mpcsfaas.cli.doctor",
    "bench": "mpcsfaas.cli.bench",
    "demo": "mpcsfaas.cli.demo",
}
"""The module of each command, in the order in which help lists them."""


class RootGroup(TyperGroup):
    """Finds a command in its module, or in the plugin that adds it."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The built-in commands, and those of the selected plugins."""
        return [*COMMANDS, *(name for name in _names(_selected_plugins_app()) if name not in COMMANDS)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command with this name, or None. An installed plugin that is called like it is asked too."""
        app = import_module(COMMANDS[cmd_name]).app if cmd_name in COMMANDS else _plugins_app(cmd_name)
        is_asked_for = cmd_name in (ctx.obj or [])
        return _command(app, cmd_name, ctx.obj if is_asked_for else None)


root = typer.Typer(cls=RootGroup, no_args_is_help=True)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"mpcsfaas {mpcsfaas.__version__}")
        raise typer.Exit


@root.callback(help="A self-hosted Function-as-a-Service platform for Python functions.")
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
    key: Annotated[
        str | None,
        typer.Option("--key", help="API key to send. MPCSFAAS_API_KEY is better: others see command lines."),
    ] = None,
) -> None:
    """What is said before the command. `--version` acts by itself."""
    if key is not None:
        os.environ[variable_of("api_key")] = key


def root_command() -> Any:
    """The command `mpcsfaas`. Give it the words of the command line as its context's `obj` as well."""
    return get_command(root)


def _selected_plugins_app() -> typer.Typer:
    try:
        return _plugins_app()
    except MpcsfaasError:
        return typer.Typer()  # Help must work with settings that do not.


def _plugins_app(command: str | None = None) -> typer.Typer:
    app = typer.Typer()
    selected = Configuration.read().settings.plugins
    extra = [command] if command in installed_names() else []
    Plugins.select([*selected, *extra]).cli(app)
    return app


def _names(app: typer.Typer) -> list[str]:
    groups = [group.name for group in app.registered_groups]
    return [name for name in [*map(_name, app.registered_commands), *groups] if name]


def _name(info: CommandInfo) -> str:
    return info.name or get_command_name(getattr(info.callback, "__name__", ""))


def _command(app: typer.Typer, name: str, arguments: Sequence[str] | None) -> Any:
    for info in app.registered_commands:
        if _name(info) == name:
            return _single(info, arguments)
    for group in app.registered_groups:
        if group.name == name and group.typer_instance:
            return _group(group.typer_instance, name, arguments)
    return None


def _group(app: typer.Typer, name: str, arguments: Sequence[str] | None) -> Any:
    bound = copy(app)
    bound.registered_commands = [_bound(info, arguments) for info in app.registered_commands]
    command = get_command(bound)
    command.name = name
    return command


def _bound(info: CommandInfo, arguments: Sequence[str] | None) -> CommandInfo:
    """The command with the flags that this command line gives it."""
    bound = copy(info)
    bound.name = _name(info)
    bound.callback = bind(info.callback, arguments) if info.callback else None
    return bound


def _single(info: CommandInfo, arguments: Sequence[str] | None) -> Any:
    app = typer.Typer(add_completion=False)
    app.registered_commands.append(_bound(info, arguments))
    return get_command(app)
