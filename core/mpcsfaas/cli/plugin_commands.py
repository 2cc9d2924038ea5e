"""`mpcsfaas plugins`: what is installed, what its options are, what is wrong with it, and how to begin one."""

import json
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from mpcsfaas.cli.completion import plugin_names
from mpcsfaas.cli.configured import default_text
from mpcsfaas.cli.errors import FAILED
from mpcsfaas.plugins import Plugin, PluginInfo, catalogue, find, installed_names, load
from mpcsfaas.plugins.skeleton import SkeletonKind, distribution_of, write_skeleton
from mpcsfaas.settings import flag_of, toml_key_of, variable_of

app = typer.Typer()
plugins = typer.Typer(invoke_without_command=True, add_completion=False)
app.add_typer(plugins, name="plugins")

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Name = Annotated[
    str, typer.Argument(metavar="NAME", help="Name of a plugin.", show_default=False, autocompletion=plugin_names)
]
Names = Annotated[
    list[str] | None,
    typer.Argument(metavar="NAME…", help="Names of plugins.", show_default="all", autocompletion=plugin_names),
]

NewName = Annotated[str, typer.Argument(metavar="NAME", help="The word that users will type.", show_default=False)]
NewKind = Annotated[SkeletonKind, typer.Option("--kind", help="What it is to be.", show_default=False)]
Folder = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Where to write it; must not exist yet.", show_default="mpcsfaas-NAME"),
]


@plugins.callback(
    help="List installed plugins, show their options, check them, begin one.\n\nExample: mpcsfaas plugins --json"
)
def list_plugins(context: typer.Context, as_json: Json = False) -> None:
    """List installed plugins: name, kind, distribution, version and status."""
    if context.invoked_subcommand:
        return
    infos = catalogue()
    if as_json:
        typer.echo(json.dumps([asdict(info) for info in infos], indent=2))
        return
    _print_table(infos)
    for info in infos:
        if info.reason:
            typer.echo(info.reason, err=True)


@plugins.command()
def show(name: Name, as_json: Json = False) -> None:
    """Show a plugin and its options: type, default, flag, environment variable and TOML key.

    Example: mpcsfaas plugins show push
    """
    plugin = load(name)
    options = list(_options(plugin))
    origin = plugin.registration.origin
    if as_json:
        typer.echo(
            json.dumps({"name": name, "kind": plugin.kind, "distribution": origin, "options": options}, indent=2)
        )
        return
    typer.echo(f"{name} ({plugin.kind}) of {origin}: {plugin.summary}")
    for option in options:
        typer.echo(f"\n{option['option']} ({option['type']}, default {option['default'] or 'none'})")
        typer.echo(f"    {option['description']}")
        typer.echo(f"    {option['flag']}   {option['environment']}   {option['toml']}")


@plugins.command()
def check(names: Names = None) -> None:
    """Load plugins and check that they can be used. Exits with 1, giving the reasons, if one cannot.

    Example: mpcsfaas plugins check
    """
    _refuse_unknown(names or [])
    reasons = {
        info.name: info.reason or _conformance(info.name) for info in catalogue() if not names or info.name in names
    }
    for name, reason in reasons.items():
        typer.echo(f"{name}: {reason or 'ok'}")
    if any(reasons.values()):
        raise typer.Exit(FAILED)


@plugins.command()
def new(name: NewName, kind: NewKind, folder: Folder = None) -> None:
    """Write the skeleton of a plugin: a distribution of its own, with tests that it passes.

    Example: mpcsfaas plugins new threads --kind dispatch
    """
    place = folder or Path(distribution_of(name))
    write_skeleton(name, kind, place)
    typer.echo(f"Wrote {kind} {name!r} to {place}. Next:")
    typer.echo(f"    pip install --editable {shlex.quote(str(place))}")
    typer.echo(f"    mpcsfaas plugins check {name}")
    typer.echo("    pip install hypothesis mypy pytest ruff")
    typer.echo(f"    cd {shlex.quote(str(place))} && pytest && mypy && ruff check")


def _conformance(name: str) -> str:
    from mpcsfaas.plugins.conformance import conformance

    return conformance(load(name))


def _refuse_unknown(names: Sequence[str]) -> None:
    for name in set(names) - set(installed_names()):
        find(name)


def _options(plugin: Plugin) -> Iterator[dict[str, str]]:
    properties = plugin.options.model_json_schema().get("properties", {})
    for name, field in plugin.options.own_fields().items():
        key = f"{plugin.name}.{name}"
        yield {
            "option": name,
            "type": _type(properties[name]),
            "default": default_text(plugin.options, name),
            "flag": flag_of(key),
            "environment": variable_of(key),
            "toml": toml_key_of(key),
            "description": field.description or "",
        }


def _type(schema: dict[str, Any]) -> str:
    if alternatives := schema.get("anyOf"):
        return " or ".join(_type(alternative) for alternative in alternatives)
    if choices := schema.get("enum"):
        return ", ".join(map(str, choices))
    word = str(schema.get("format") or schema.get("type") or "choice")
    return {"null": "none", "array": "words with commas"}.get(word, word)


def _print_table(infos: Sequence[PluginInfo]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("name", "kind", "distribution", "version", "status", box=None, pad_edge=False, header_style="bold")
    for info in infos:
        table.add_row(info.name, info.kind or "unknown", info.distribution, info.version, info.status)
    Console().print(table)
