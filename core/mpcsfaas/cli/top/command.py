"""The command `mpcsfaas top`."""

import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from mpcsfaas.cli.gateway import Json, Url, gateway
from mpcsfaas.cli.rendering import print_json
from mpcsfaas.cli.signals import ended_by_signals

if TYPE_CHECKING:
    from mpcsfaas.cli.top.look import Look

app = typer.Typer()

PATIENCE = 2.0
"""Seconds after which a gateway that does not answer is told to be away."""
COLUMNS = 120
"""Of what is not a terminal."""

Once = Annotated[bool, typer.Option("--once", help="Print one frame and exit, as when the output is no terminal.")]
Interval = Annotated[float, typer.Option("--interval", min=0.2, max=3600, help="Seconds between two looks.")]


@app.command()
def top(once: Once = False, interval: Interval = 1.0, url: Url = None, as_json: Json = False) -> None:
    """Watch the platform: queue, throughput, latency, workers, what runs and what failed. Ends with q or Ctrl-C.

    Example: mpcsfaas top --interval 5
    """
    from mpcsfaas.cli.top.look import Observer

    with gateway(url, timeout=PATIENCE) as client, ended_by_signals():
        observer = Observer(client)
        first = observer.look()
        if as_json:
            print_json(first)
        elif once or not sys.stdout.isatty():
            print_frame(first)
        else:
            from mpcsfaas.cli.top.live import show_live

            show_live(observer.look, first, interval)


def print_frame(look: "Look") -> None:
    """Print one frame, as wide as the terminal, or as COLUMNS says."""
    from rich.console import Console

    from mpcsfaas.cli.top.view import frame

    columns = os.environ.get("COLUMNS", "")
    console = Console(width=None if sys.stdout.isatty() or columns.isdigit() else COLUMNS)
    console.print(frame(look, console.width))
