"""`mpcsfaas up`, `serve` and `dispatcher`: the parts of the platform, together or apart."""

from pathlib import Path
from typing import Annotated

import typer

from mpcsfaas.cli.configured import Setup, configured
from mpcsfaas.plugins import Kind

app = typer.Typer()

GATEWAY_SETTINGS = (
    "host",
    "port",
    "allowed_hosts",
    "require_keys",
    "behind_proxy",
    "tls_certificate",
    "tls_key",
    "allow_functions",
    "audit_log",
    "seal_key",
    "insecure_open_to_network",
    "state_dir",
    "max_body",
    "max_payload",
    "deadline",
)
DISPATCHER_SETTINGS = ("state_dir", "deadline", "lease", "drain_timeout", "insecure_plaintext", "seal_key")

ReadyFile = Annotated[
    Path | None,
    typer.Option("--ready-file", help="File to write {url, pid} to once everything works.", show_default=False),
]


@app.command()
@configured(
    *dict.fromkeys([*GATEWAY_SETTINGS, *DISPATCHER_SETTINGS]),
    kinds=[Kind.STORAGE, Kind.STRATEGY, Kind.DETECTOR],
    extensions=["dashboard"],
)
def up(setup: Setup, ready_file: ReadyFile = None) -> None:
    """Run the whole platform: gateway, dispatcher and workers, and a web page that shows how they do.

    Example: mpcsfaas up -w 4 --port 8080
    """
    _run(setup, gateway=True, dispatcher=True, ready_file=ready_file)


@app.command()
@configured(*GATEWAY_SETTINGS, kinds=[Kind.STORAGE])
def serve(setup: Setup, ready_file: ReadyFile = None) -> None:
    """Run a gateway: the REST service alone.

    Example: mpcsfaas serve --storage sqlite:///tasks.db
    """
    _run(setup, gateway=True, dispatcher=False, ready_file=ready_file)


@app.command()
@configured(*DISPATCHER_SETTINGS, kinds=[Kind.STORAGE, Kind.STRATEGY, Kind.DETECTOR])
def dispatcher(setup: Setup, ready_file: ReadyFile = None) -> None:
    """Run a dispatcher: it claims tasks and has them run.

    Example: mpcsfaas dispatcher -m local -w 4 --storage sqlite:///tasks.db
    """
    _run(setup, gateway=False, dispatcher=True, ready_file=ready_file)


@app.command()
def seal_key(path: Annotated[Path, typer.Argument(metavar="FILE", help="Where to write the key.")]) -> None:
    """Make a key for `--seal-key`, with which gateways and dispatchers need not trust the storage.

    Example: mpcsfaas seal-key seal.key
    """
    from mpcsfaas.sealing import write_key

    write_key(path)
    typer.echo(f"Wrote {path}. Give every gateway and every dispatcher of this storage the same: --seal-key {path}")


def _run(setup: Setup, *, gateway: bool, dispatcher: bool, ready_file: Path | None) -> None:
    from mpcsfaas.cli.serving import run_service

    run_service(setup, gateway=gateway, dispatcher=dispatcher, ready_file=ready_file)
