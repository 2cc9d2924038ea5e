"""`mpcsfaas fn`: the registered functions."""

from typing import Annotated

import typer

from mpcsfaas.cli.callables import find_callable
from mpcsfaas.cli.completion import function_names
from mpcsfaas.cli.gateway import Json, Url, delete_function, function_info, function_named, gateway, is_id
from mpcsfaas.cli.rendering import ago, at, print_fields, print_json, print_table
from mpcsfaas.client import Client
from mpcsfaas.client.records import FunctionInfo
from mpcsfaas.errors import SettingsError

app = typer.Typer()
functions = typer.Typer(no_args_is_help=True, add_completion=False, help="List, show, register and remove functions.")
app.add_typer(functions, name="fn")

Function = Annotated[
    str, typer.Argument(metavar="FUNCTION", help="Name or id.", show_default=False, autocompletion=function_names)
]
Functions = Annotated[
    list[str],
    typer.Argument(metavar="FUNCTION…", help="Names or ids.", show_default=False, autocompletion=function_names),
]
Place = Annotated[str, typer.Argument(metavar="PLACE", help="FILE.py:FUNCTION or MODULE:FUNCTION.", show_default=False)]
Name = Annotated[str | None, typer.Option("--name", help="Name to register it under. Default: its own.")]


@functions.command("list")
def list_functions(url: Url = None, as_json: Json = False) -> None:
    """List the registered functions, newest first.

    Example: mpcsfaas fn list --json
    """
    with gateway(url) as client:
        infos = sorted(client.functions(), key=lambda info: info.created_at, reverse=True)
    if as_json:
        print_json(infos)
        return
    rows = [(info.id, info.name, info.serializer, info.python_version, ago(info.created_at)) for info in infos]
    print_table(("id", "name", "serializer", "python", "registered"), rows)


@functions.command()
def show(function: Function, url: Url = None, as_json: Json = False) -> None:
    """Show a function; of several with the same name, the newest.

    Example: mpcsfaas fn show resize
    """
    with gateway(url) as client:
        info = function_named(client, function)
    _print_function(info, as_json)


@functions.command()
def register(place: Place, name: Name = None, url: Url = None, as_json: Json = False) -> None:
    """Register a function of a file or a module, and print its id.

    Example: mpcsfaas fn register work/jobs.py:resize
    """
    reference = find_callable(place)
    with gateway(url, reference.by_value) as client:
        function_id = client.register(reference.function, name)
        info = client.connection.perform(function_info(client.session, function_id))
    if as_json:
        print_json(info)
    else:
        typer.echo(function_id)


@functions.command("rm")
def remove(functions: Functions, url: Url = None) -> None:
    """Remove functions: their accepted tasks still run, new ones are refused.

    Example: mpcsfaas fn rm resize
    """
    with gateway(url) as client:
        for info in [_only(client, word) for word in functions]:
            client.connection.perform(delete_function(client.session, info.id))
            typer.echo(f"Removed {info.name} ({info.id}).")


def _only(client: Client, word: str) -> FunctionInfo:
    """The one function that is meant. Raises `SettingsError` for a name that several have."""
    info = function_named(client, word)
    others = [other.id for other in client.functions() if other.name == word and not is_id(word)]
    if len(others) > 1:
        raise SettingsError(f"{len(others)} functions are called {word!r}. Give an id: {', '.join(others)}.")
    return info


def _print_function(info: FunctionInfo, as_json: bool) -> None:
    if as_json:
        print_json(info)
        return
    print_fields(
        [
            ("id", info.id),
            ("name", info.name),
            ("description", info.description),
            ("serializer", f"{info.serializer} {info.serializer_version}".strip()),
            ("python", info.python_version),
            ("registered", at(info.created_at)),
        ]
    )
