"""`mpcsfaas stats` and `workers`: the platform as a whole."""

import typer

from mpcsfaas.cli.gateway import Json, Url, gateway
from mpcsfaas.cli.rendering import ago, print_fields, print_json, print_table
from mpcsfaas.client.records import Worker

app = typer.Typer()


@app.command()
def stats(url: Url = None, as_json: Json = False) -> None:
    """Count the tasks by state, and the functions."""
    with gateway(url) as client:
        counts = client.stats()
    if as_json:
        print_json(counts)
        return
    print_fields(
        [
            ("queued", counts.queued),
            ("running", counts.running),
            ("completed", counts.completed),
            ("failed", counts.failed),
            ("cancelled", counts.cancelled),
            ("functions", counts.functions),
            ("fenced", counts.fenced),
            ("oldest queued", ago(counts.oldest_queued_at)),
        ]
    )


@app.command()
def workers(url: Url = None, as_json: Json = False) -> None:
    """List the dispatchers that are alive, and their workers."""
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
