"""`mpcsfaas tasks`, `result`, `logs` and `cancel`: what became of tasks, and doing them again."""

from collections.abc import Iterator
from typing import Annotated
from uuid import UUID

import typer
from msgspec import Struct

from mpcsfaas.cli.batches import bar_for, in_batches
from mpcsfaas.cli.completion import failed_task_ids, function_names, open_task_ids, task_ids
from mpcsfaas.cli.errors import FAILED
from mpcsfaas.cli.gateway import (
    Json,
    Url,
    WhomToTrust,
    cancel_tasks,
    function_info,
    function_named,
    gateway,
    tasks_page,
)
from mpcsfaas.cli.hops import ATTEMPT_HOPS, attempt_hops, task_hops
from mpcsfaas.cli.outcomes import print_outcome, wait_for_end
from mpcsfaas.cli.rendering import ago, at, duration, fine_duration, print_fields, print_json, print_table
from mpcsfaas.client import Client, operations
from mpcsfaas.client.errors import GatewayError, NotFound
from mpcsfaas.client.records import Logs
from mpcsfaas.errors import SettingsError
from mpcsfaas.model import AttemptRecord, Failure, State, TaskOptions, TaskRecord, retry_id

app = typer.Typer()
tasks = typer.Typer(invoke_without_command=True, add_completion=False)
app.add_typer(tasks, name="tasks")

DEFAULTS = TaskOptions()

TaskId = Annotated[
    UUID, typer.Argument(metavar="TASK", help="Id of a task.", show_default=False, autocompletion=task_ids)
]
FailedTasks = Annotated[
    list[UUID] | None,
    typer.Argument(metavar="[TASK…]", help="Ids of failed tasks.", show_default=False, autocompletion=failed_task_ids),
]
AllFailed = Annotated[bool, typer.Option("--all", help="All failed tasks whose arguments are kept.")]
TaskIds = Annotated[
    list[UUID], typer.Argument(metavar="TASK…", help="Ids of tasks.", show_default=False, autocompletion=task_ids)
]
OpenTasks = Annotated[
    list[UUID], typer.Argument(metavar="TASK…", help="Ids of tasks.", show_default=False, autocompletion=open_task_ids)
]
WantedState = Annotated[State | None, typer.Option("--state", case_sensitive=False, help="Only those in this state.")]
OfFunction = Annotated[
    str | None,
    typer.Option("--function", help="Only those of this function: a name or an id.", autocompletion=function_names),
]
Group = Annotated[str | None, typer.Option("--group", help="Only those of this group.")]
Failed = Annotated[bool, typer.Option("--failed", help="Short for --state FAILED.")]
Limit = Annotated[int, typer.Option("--limit", min=1, max=1000, help="How many to list.")]
Cursor = Annotated[str | None, typer.Option("--cursor", help="Where to go on: what the last list ended with.")]
Follow = Annotated[bool, typer.Option("--follow", "-f", help="Until the tasks have ended, attempt by attempt.")]
Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="Wait for the task's end.")]
Timeout = Annotated[float | None, typer.Option("--timeout", min=0, help="Seconds to wait at most.")]


class Retry(Struct, frozen=True):
    """What became of the wish to do a task again."""

    id: str
    retry: str | None = None
    state: State | None = None
    problem: str | None = None


@tasks.callback(help="List tasks, newest first, or show one.\n\nExample: mpcsfaas tasks --failed --function resize")
def list_tasks(
    context: typer.Context,
    state: WantedState = None,
    failed: Failed = False,
    function: OfFunction = None,
    group: Group = None,
    limit: Limit = 20,
    cursor: Cursor = None,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """List tasks."""
    if context.invoked_subcommand:
        return
    with gateway(url) as client:
        function_id = function_named(client, function).id if function else None
        wanted = State.FAILED if failed else state
        page = client.connection.perform(tasks_page(client.session, wanted, function_id, group, limit, cursor))
        names = {} if as_json else dict(_names(client, {record.function_id for record in page.items}))
    if as_json:
        print_json(page)
        return
    columns = ("id", "state", "function", "accepted", "took", "attempts", "failure")
    print_table(columns, [_row(record, names[record.function_id]) for record in page.items])
    if page.cursor:
        typer.echo(f"There are more: add --cursor {page.cursor}", err=True)


@tasks.command()
def show(task: TaskId, url: Url = None, as_json: Json = False) -> None:
    """Show a task and the history of its attempts.

    Example: mpcsfaas tasks show 01a210f6-0e3c-7681-9f38-c7aaa711fa2c
    """
    with gateway(url) as client:
        record = client.task(str(task))
        ((_, name),) = _names(client, {record.function_id})
        again = _retried_as(client, record)
    if as_json:
        print_json(record)
        return
    _print_record(record, name, again)


@tasks.command()
def retry(
    ids: FailedTasks = None,
    all_failed: AllFailed = False,
    function: OfFunction = None,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Do failed tasks again, each as a new task, and print both ids. Exits with 1 if one cannot be.

    To ask twice is harmless: each task is done again once. If that fails, too, it is the new one to be retried.

    Example: mpcsfaas tasks retry --all --function resize
    """
    if bool(ids) == all_failed or (function and not all_failed):
        raise SettingsError("Name the tasks to do again, or write --all, maybe with --function.")
    with gateway(url) as client:
        old = _failed_ids(client, function) if all_failed else [str(task) for task in ids or ()]
        verdicts = in_batches(old, lambda ids: client.connection.perform(operations.retry(client.session, ids)))
    retries = [_retry(*pair) for pair in zip(old, verdicts, strict=True)]
    if as_json:
        print_json(retries)
    else:
        for each in retries:
            typer.echo(f"{each.id} {each.problem or f'→ {each.retry} {each.state}'}")
    if any(each.problem for each in retries):
        raise typer.Exit(FAILED)


@app.command()
def result(
    task: TaskId,
    wait: Wait = False,
    timeout: Timeout = None,
    trust: WhomToTrust = "pickle",
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Print a task's result. Exits with 1, and prints the traceback, if it failed.

    Example: mpcsfaas result --wait 01a210f6-0e3c-7681-9f38-c7aaa711fa2c
    """
    with gateway(url, trust=trust) as client:
        end = wait_for_end(client, str(task), timeout if wait else 0.0)
        print_outcome(client, str(task), end, as_json)


@app.command()
def logs(tasks: TaskIds, follow: Follow = False, url: Url = None, as_json: Json = False) -> None:
    """Print what the latest finished attempt of tasks printed: its output to the output, its errors to the errors.

    There is nothing of an attempt that still runs: with --follow, what it printed comes when it has ended.

    Example: mpcsfaas logs -f 01a210f6-0e3c-7681-9f38-c7aaa711fa2c
    """
    from mpcsfaas.cli.following_logs import follow as followed

    ids = list(map(str, tasks))
    with gateway(url) as client:
        if follow:
            for each in followed(client, ids):
                if not (as_json or (len(ids) == each.attempt == 1 and each.is_last)):
                    typer.echo(f"==> {each.logs.id}, attempt {each.attempt}, {each.outcome} <==", err=True)
                _print_logs(each.logs, as_json)
            return
        for task_id in ids:
            _print_logs(client.logs(task_id), as_json)


def _print_logs(printed: Logs, as_json: bool) -> None:
    if as_json:
        print_json(printed)
        return
    typer.echo(printed.stdout, nl=False)
    typer.echo(printed.stderr, nl=False, err=True)


@app.command()
def cancel(tasks: OpenTasks, url: Url = None, as_json: Json = False) -> None:
    """Cancel tasks, waiting or running, and print the state of each afterwards. Exits with 1 if one is unknown.

    Example: mpcsfaas cancel 01a210f6-0e3c-7681-9f38-c7aaa711fa2c
    """
    with gateway(url) as client:
        results = in_batches(
            list(map(str, tasks)), lambda ids: client.connection.perform(cancel_tasks(client.session, ids)).results
        )
    if as_json:
        print_json(results)
    else:
        for item in results:
            typer.echo(f"{item.id} {item.state or 'unknown'}")
    if any(item.state is None for item in results):
        raise typer.Exit(FAILED)


def _names(client: Client, function_ids: set[str]) -> Iterator[tuple[str, str]]:
    """The names of functions; a removed one has only its id left."""
    for function_id in function_ids:
        try:
            yield function_id, client.connection.perform(function_info(client.session, function_id)).name
        except NotFound:
            yield function_id, function_id


def _row(record: TaskRecord, name: str) -> tuple[object, ...]:
    took = "" if record.finished_at is None else duration(record.finished_at - record.created_at)
    return record.id, record.state, name, ago(record.created_at), took, record.attempt, _reason(record.failure)


def _reason(failure: Failure | None) -> str:
    """One line of a table's width."""
    return "" if failure is None else f"{failure.kind}: {failure.message}".partition("\n")[0][:100]


def _failed_ids(client: Client, function: str | None) -> list[str]:
    """Every failed task whose arguments are kept, oldest first."""
    function_id = function_named(client, function).id if function else None
    ids = []
    with bar_for(None if function_id else client.stats().failed) as bar:
        for record in client.tasks(state=State.FAILED, function=function_id):
            bar.advance()
            ids += [] if record.expired else [record.id]
    return ids[::-1]


def _retry(task_id: str, verdict: operations.Verdict) -> Retry:
    if isinstance(verdict, GatewayError):
        return Retry(task_id, problem=str(verdict))
    return Retry(task_id, verdict.id, verdict.state)


def _retried_as(client: Client, record: TaskRecord) -> str | None:
    """The task that does a failed one again, with its state, if there is one."""
    if record.state is not State.FAILED:
        return None
    try:
        again = client.task(retry_id(record.id))
    except NotFound:
        return None
    return f"{again.id} ({again.state})"


def _print_record(record: TaskRecord, name: str, again: str | None) -> None:
    print_fields(
        [
            ("id", record.id),
            ("state", f"{record.state}{' (its result has expired)' if record.expired else ''}"),
            ("function", f"{name} ({record.function_id})"),
            ("serializer", record.serializer),
            ("accepted", at(record.created_at)),
            ("ended", at(record.finished_at)),
            ("hops", _stages(record)),
            ("options", _options(record.options)),
            ("retry of", record.retry_of),
            ("retried as", again),
            ("failure", record.failure and f"{record.failure.kind}: {record.failure.message}"),
        ]
    )
    if record.history:
        typer.echo()
        columns = ("attempt", "worker", "claimed", *ATTEMPT_HOPS, "failure")
        print_table(columns, [_attempt_row(attempt) for attempt in record.history])
    if record.failure and record.failure.traceback:
        typer.echo(f"\n{record.failure.traceback.rstrip()}")


def _options(options: TaskOptions) -> str:
    """Those that differ from the defaults."""
    chosen = {name: getattr(options, name) for name in options.__struct_fields__}
    return ", ".join(f"{name}={value}" for name, value in chosen.items() if value != getattr(DEFAULTS, name))


def _attempt_row(attempt: AttemptRecord) -> tuple[object, ...]:
    seconds = dict(attempt_hops(attempt))
    times = [fine_duration(seconds[name]) if name in seconds else "" for name in ATTEMPT_HOPS]
    return attempt.number, attempt.worker, at(attempt.claimed_at), *times, _reason(attempt.failure)


def _stages(record: TaskRecord) -> str:
    """Where the time of a task that has ended went; after retries, the time before the last claim counts as queued."""
    if record.finished_at is None or not record.history:
        return ""
    return ", ".join(f"{hop.name} {fine_duration(hop.seconds)}" for hop in task_hops(record))
