"""`mpcsfaas bench`: how fast this installation is, and where the time goes."""

import time
import uuid
from statistics import median, quantiles
from typing import Annotated, Any

import typer
from msgspec import Struct

from mpcsfaas.cli.gateway import Json, Url, gateway
from mpcsfaas.cli.hops import HOPS, median_hops
from mpcsfaas.cli.rendering import fine_duration, print_json, print_table
from mpcsfaas.client import Client
from mpcsfaas.client.operations import group_records
from mpcsfaas.client.progress import ProgressBar

app = typer.Typer()

WARM_UP = 100
ELSEWHERE = "elsewhere"
"""What the record of a task does not cover."""
MEANINGS = {**HOPS, ELSEWHERE: "network, gateway and this client: the rest of the call's latency"}

Tasks = Annotated[int, typer.Option("--tasks", min=1, help="Empty tasks of the throughput's measurement.")]
Calls = Annotated[int, typer.Option("--calls", min=2, help="Calls, one after the other, of the latency's.")]


class Report(Struct, frozen=True):
    """Tasks per second; seconds of a single call; medians of the hops within it, in seconds."""

    slots: int
    tasks: int
    tasks_per_second: float
    calls: int
    p50: float
    p99: float
    hops: dict[str, float]


@app.command()
def bench(tasks: Tasks = 5000, calls: Calls = 200, url: Url = None, as_json: Json = False) -> None:
    """Measure an installation: throughput and latency of empty tasks, and where a call's time goes.

    Example: mpcsfaas bench --tasks 20000 --json
    """
    with gateway(url) as client:
        report = _measure(client, tasks, calls)
    if as_json:
        print_json(report)
    else:
        _print_report(report)


def _measure(client: Client, tasks: int, calls: int) -> Report:
    from mpcsfaas.cli import demo_tasks

    caller = client.with_options(group=f"bench-{uuid.uuid4()}")
    _throughput(client, demo_tasks.do_nothing, WARM_UP)
    rate = _throughput(client, demo_tasks.do_nothing, tasks)
    seconds = []
    with ProgressBar(calls, None) as bar:
        for _ in range(calls):
            seconds.append(_timed(caller, demo_tasks.do_nothing))
            bar.advance()
    records = client.connection.perform(group_records(client.session, caller.session.options["group"]))
    hops = {hop.name: hop.seconds for hop in median_hops(records)}
    p50, p99 = median(seconds), quantiles(seconds, n=100)[-1]
    hops[ELSEWHERE] = max(0.0, p50 - sum(hops.values()))
    slots = sum(worker.slots for dispatcher in client.workers() for worker in dispatcher.workers)
    return Report(slots, tasks, rate, calls, p50, p99, hops)


def _throughput(client: Client, function: Any, tasks: int) -> float:
    started = time.perf_counter()
    if list(client.map(function, range(tasks))) != list(range(tasks)):
        raise AssertionError("the platform gave back something else than the tasks returned")
    return tasks / (time.perf_counter() - started)


def _timed(client: Client, function: Any) -> float:
    started = time.perf_counter()
    client.run(function, 1)
    return time.perf_counter() - started


def _print_report(report: Report) -> None:
    typer.echo(f"{report.tasks:,} empty tasks on {report.slots} processes: {report.tasks_per_second:,.0f} tasks/s")
    typer.echo(
        f"{report.calls:,} calls, one after the other: median {fine_duration(report.p50)},"
        f" 99 % within {fine_duration(report.p99)}\n"
    )
    rows = [(name, fine_duration(seconds), MEANINGS[name]) for name, seconds in report.hops.items()]
    print_table(("hop", "median", ""), rows)
