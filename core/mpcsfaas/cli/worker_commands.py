"""`mpcsfaas worker`, and the two spellings of the original system."""

from pathlib import Path
from typing import Annotated, cast

import typer

from mpcsfaas.cli.configured import Setup, configured
from mpcsfaas.plugins import Kind, Plugin, load
from mpcsfaas.worker.agent_options import AgentOptions

app = typer.Typer()

OPTIONS = {"worker": AgentOptions}
SETTINGS = ("state_dir", "worker_key", "insecure_plaintext")
ReadyFile = Annotated[
    Path | None,
    typer.Option("--ready-file", help="File to write {url, pid} to once everything works.", show_default=False),
]
Slots = Annotated[int, typer.Argument(min=1, max=4096, help="Tasks that run at the same time.")]
Url = Annotated[str, typer.Argument(help="Address of the dispatcher: tcp://… or ipc://….")]


@app.command()
@configured(*SETTINGS, sections=OPTIONS)
def worker(setup: Setup, ready_file: ReadyFile = None) -> None:
    """Run a worker: it connects to a dispatcher and runs what it is given.

    Example: mpcsfaas worker --plugin push --url tcp://127.0.0.1:5555 -n 4
    """
    _run(setup, setup.plugins.plugin(Kind.STRATEGY), {}, ready_file)


@app.command()
@configured(*SETTINGS, sections=OPTIONS)
def push_worker(setup: Setup, slots: Slots, url: Url, ready_file: ReadyFile = None) -> None:
    """Run a worker for a `push` dispatcher.

    Example: mpcsfaas push-worker 4 tcp://127.0.0.1:5555
    """
    _run(setup, load("push"), {"workers": slots, "url": url}, ready_file)


@app.command()
@configured(*SETTINGS, sections=OPTIONS)
def pull_worker(setup: Setup, slots: Slots, url: Url, ready_file: ReadyFile = None) -> None:
    """Run a worker for a `pull` dispatcher.

    Example: mpcsfaas pull-worker 4 tcp://127.0.0.1:5555
    """
    _run(setup, load("pull"), {"workers": slots, "url": url}, ready_file)


def _run(setup: Setup, strategy: Plugin, arguments: dict[str, int | str], ready_file: Path | None) -> None:
    from mpcsfaas.cli.working import run_worker

    options = cast(AgentOptions, setup.options("worker", AgentOptions))
    run_worker(setup, strategy, options.model_copy(update=arguments), ready_file)
