"""`mpcsfaas stats` and `workers`: the platform as a whole."""

import typer

from mpcsfaas.cli.gateway import Json, Url, gateway
from mpcsfaas.cli.rendering import ago, print_fields, print_json, print_table
from mpcsfaas.client.records import Worker

app = typer.Typer()


@app.command()
def stats(url: Url = None, as_json: Json = False) -> None:
    """Count the tasks by state, and the functions; without the scope admin, those of the key's tenant.

    Example: mpcsfaas stats --json
    """
    with gateway(url) as client:
        counts = client.stats()
    if as_json:
        print_json(counts)
        return
    names = ("queued", "running", "completed", "failed", "cancelled", "functions", "fenced")
    fields = [(name, _count(getattr(counts, name), counts.at_least)) for name in names]
    print_fields([*fields, ("oldest queued", ago(counts.oldest_queued_at))])


def _count(number: int | None, at_least: bool) -> str | None:
    return None if number is None else f"{number} or more" if at_least else str(number)


@app.command()
def workers(url: Url = None, as_json: Json = False) -> None:
    """List the dispatchers that are alive, and their workers.

    Example: mpcsfaas workers
    """
    with gateway(url) as client:
        dispatchers = client.workers()
    if as_json:
        print_json(dispatchers)
        return
    for dispatcher in dispatchers:
        typer.echo(
            f"dispatcher {dispatcher.id} ({dispatcher.strategy}) on {dispatcher.host}, process {dispatcher.pid},"
            f" started {ago(dispatcher.started_at)}; rejected: {dispatcher.fenced} late words,"
            f" {dispatcher.malformed} bad frames, {dispatcher.refused} unknown keys"
        )
    columns = ("worker", "host", "process", "slots", "busy", "labels", "python", "seen")
    print_table(columns, [_row(worker) for dispatcher in dispatchers for worker in dispatcher.workers])


def _row(worker: Worker) -> tuple[object, ...]:
    labels = ", ".join(worker.labels)
    seen = ago(worker.last_seen)
    return worker.id, worker.host, worker.pid, worker.slots, worker.busy, labels, worker.python_version, seen
