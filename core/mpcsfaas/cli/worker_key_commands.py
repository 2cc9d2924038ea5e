"""`mpcsfaas worker-keys`: who may connect to the dispatcher of this machine as a worker."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mpcsfaas.cli.gateway import Json
from mpcsfaas.cli.rendering import print_json, print_table
from mpcsfaas.settings import Configuration

if TYPE_CHECKING:
    from mpcsfaas.curve import Keyring

app = typer.Typer()
worker_keys = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Make, list and revoke the keys of workers on other machines."
)
app.add_typer(worker_keys, name="worker-keys")

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the key.", show_default=False)]
File = Annotated[
    Path | None, typer.Option("--file", help="Where to write the key file. Default: NAME.key.", show_default=False)
]


@worker_keys.command()
def create(name: Name, file: File = None) -> None:
    """Make a key, admit whoever has it, and write it to a file that is to be brought to the worker's machine.

    Example: mpcsfaas worker-keys create gpu-1 --file gpu-1.key
    """
    path = file or Path(f"{name}.key")
    _keyring().create(name, path)
    typer.echo(f"Wrote {path}. Bring it to the worker's machine, by a way that nobody reads along, and start there:")
    typer.echo(f"mpcsfaas worker --worker-key {path.name} …")


@worker_keys.command("list")
def list_keys(as_json: Json = False) -> None:
    """List the keys that are admitted. `local` is that of this user's own workers on this machine.

    Example: mpcsfaas worker-keys list
    """
    allow_list = _keyring().allow_list
    allow_list.look()
    rows = sorted((name, key) for key, name in allow_list.names().items())
    if as_json:
        print_json([{"name": name, "public_key": key} for name, key in rows])
    else:
        print_table(("name", "public key"), rows)


@worker_keys.command()
def revoke(name: Name) -> None:
    """Admit a key no longer, at once: workers that are connected with it lose what they run.

    Example: mpcsfaas worker-keys revoke gpu-1
    """
    _keyring().revoke(name)
    typer.echo(f"Revoked {name}.")


@worker_keys.command()
def show_server() -> None:
    """Show the public key of this machine's dispatcher, by which the key files of its workers know it.

    Example: mpcsfaas worker-keys show-server
    """
    typer.echo(_keyring().dispatcher_key().public_key)


def _keyring() -> "Keyring":
    from mpcsfaas.curve import Keyring

    return Keyring(Configuration.read().settings.state_dir)
