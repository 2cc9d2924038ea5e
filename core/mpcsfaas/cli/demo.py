"""`mpcsfaas demo`: the platform at work on real input, and what it says when tasks go wrong."""

import os
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from mpcsfaas.cli.rendering import duration
from mpcsfaas.cli.signals import ended_by_signals
from mpcsfaas.errors import SettingsError

if TYPE_CHECKING:
    from mpcsfaas.client import Client

app = typer.Typer()

EMPTY_TASKS = 5000
TIMEOUT = 0.5


class Mishap(NamedTuple):
    """A task that went wrong, and the exception that its caller got."""

    what: str
    error: BaseException


Folder = Annotated[
    Path | None,
    typer.Argument(
        help="Folder whose Python files are analysed.", exists=True, file_okay=False, show_default="standard library"
    ),
]


@app.command()
def demo(folder: Folder = None) -> None:
    """See it work: analyse Python's standard library on a platform of its own, which leaves nothing behind.

    Example: mpcsfaas demo .
    """
    root = folder.absolute() if folder else Path(sysconfig.get_path("stdlib"))
    paths = [str(path) for path in sorted(root.rglob("*.py")) if "site-packages" not in path.relative_to(root).parts]
    if not paths:
        raise SettingsError(f"There is no Python file in {root}. Name another folder, or none.")
    with ended_by_signals(), tempfile.TemporaryDirectory(prefix="mpcsfaas-demo-") as state:
        with _platform(Path(state)) as client:
            _analyse(client, root, paths)
            _count_empty_tasks(client)
            _show_mishaps(client)
        typer.echo("\nThe platform has stopped; its folder is removed. Start one that stays with: mpcsfaas up")


@contextmanager
def _platform(folder: Path) -> Iterator["Client"]:
    """A platform whose state is in `folder`; the user's own settings don't change what the demo shows."""
    from mpcsfaas.cli import demo_tasks, source_analysis
    from mpcsfaas.client.embedded import EmbeddedClient, PlatformChild

    _forget_settings(folder / "mpcsfaas.toml")
    started = time.monotonic()
    child = PlatformChild("--state-dir", str(folder))
    typer.echo(
        f"A platform is up on {child.url} after {duration(time.monotonic() - started)}; its state is in {folder}."
    )
    with EmbeddedClient(child, by_value=(demo_tasks.__name__, source_analysis.__name__)) as client:
        yield client


def _forget_settings(empty: Path) -> None:
    """Have the child see no settings but the defaults."""
    for name in [name for name in os.environ if name.startswith("MPCSFAAS_")]:
        del os.environ[name]
    empty.touch()
    os.environ["MPCSFAAS_CONFIG"] = str(empty)


def _analyse(client: "Client", root: Path, paths: Sequence[str]) -> None:
    from mpcsfaas.cli.demo_report import print_findings
    from mpcsfaas.cli.source_analysis import analyse

    slots = sum(worker.slots for dispatcher in client.workers() for worker in dispatcher.workers)
    typer.echo(f"\nAnalysing the {len(paths):,} Python files of {root}, each a task, on {slots} processes:")
    started = time.monotonic()
    outcomes = list(client.map(analyse, paths, errors="return"))
    print_findings(root, dict(zip(paths, outcomes, strict=True)), time.monotonic() - started)


def _count_empty_tasks(client: "Client") -> None:
    from mpcsfaas.cli.demo_tasks import do_nothing

    started = time.monotonic()
    numbers = list(client.map(do_nothing, range(EMPTY_TASKS)))
    elapsed = time.monotonic() - started
    assert numbers == list(range(EMPTY_TASKS)), "the platform gave back something else than the tasks returned"
    typer.echo(
        f"\nWhat a task costs: {EMPTY_TASKS:,} that do nothing took {duration(elapsed)},"
        f" so {EMPTY_TASKS / elapsed:,.0f} tasks/s from submit to result, each durable on disk."
    )


def _show_mishaps(client: "Client") -> None:
    from mpcsfaas.cli.demo_report import print_mishaps
    from mpcsfaas.cli.demo_tasks import divide, loop_forever, read_address_zero

    limited = client.with_options(timeout=TIMEOUT)
    once = client.with_options(max_redeliveries=0)
    print_mishaps(
        [
            Mishap("raises", _error_of(lambda: client.run(divide, 1, 0))),
            Mishap(f"loops for ever, timeout {TIMEOUT:g} s", _error_of(lambda: limited.run(loop_forever))),
            Mishap("crashes its process", _error_of(lambda: once.run(read_address_zero))),
            Mishap("is cancelled while it runs", _error_of(lambda: _cancel_a_running_task(client))),
        ]
    )


def _cancel_a_running_task(client: "Client") -> None:
    from mpcsfaas.cli.demo_tasks import sleep_for_an_hour
    from mpcsfaas.model import State

    handle = client.submit(sleep_for_an_hour)
    while handle.status() is State.QUEUED:
        time.sleep(0.01)
    handle.cancel()
    handle.result()


def _error_of(call: Callable[[], Any]) -> BaseException:
    """What `call` raises. These are meant to; that one does not would be a defect."""
    try:
        value = call()
    except Exception as error:
        return error
    raise AssertionError(f"a task that was meant to go wrong gave {value!r}")
