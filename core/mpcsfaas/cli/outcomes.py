"""How commands print the end of a task: its value on standard output, or its error on standard error."""

from typing import NoReturn

import typer

from mpcsfaas.cli.errors import FAILED
from mpcsfaas.cli.rendering import print_json, print_value
from mpcsfaas.client import Client
from mpcsfaas.client.errors import TaskFailed
from mpcsfaas.client.operations import outcome
from mpcsfaas.client.outcome import Outcome, RemoteTraceback
from mpcsfaas.errors import MpcsfaasError


def wait_for_end(client: Client, task_id: str, timeout: float | None) -> Outcome:
    """The end of a task. Raises `TaskFailed` if it does not come in `timeout` seconds, or if the user stops waiting."""
    try:
        return client.connection.perform(outcome(client.session, task_id, timeout))
    except TimeoutError:
        record = client.task(task_id)
        raise TaskFailed(
            f"Task {task_id} is {record.state}; it goes on. Get its result later with `mpcsfaas result {task_id}`."
        ) from None
    except KeyboardInterrupt:
        raise TaskFailed(
            f"Task {task_id} goes on. Get its result with `mpcsfaas result {task_id} --wait`,"
            f" or stop it with `mpcsfaas cancel {task_id}`."
        ) from None


def print_outcome(client: Client, task_id: str, end: Outcome, as_json: bool) -> None:
    """Print the value. If there is none, print why, and exit with 1."""
    if as_json:
        _print_as_json(client, task_id, end)
    elif end.error is not None:
        _raise(task_id, end.error)
    else:
        print_value(end.value)


def _print_as_json(client: Client, task_id: str, end: Outcome) -> None:
    record = client.task(task_id)
    content = {"id": task_id, "state": record.state, "value": end.value, "failure": record.failure}
    print_json(content if end.error is None else {**content, "value": None, "error": _text(end.error)})
    if end.error is not None:
        raise typer.Exit(FAILED)


def _raise(task_id: str, error: BaseException) -> NoReturn:
    if isinstance(error.__cause__, RemoteTraceback):
        typer.echo(error.__cause__.text.rstrip(), err=True)
    if isinstance(error, MpcsfaasError):
        raise error
    raise TaskFailed(f"Task {task_id} failed: {_text(error)}")


def _text(error: BaseException) -> str:
    if isinstance(error, MpcsfaasError):
        return str(error)
    return f"{type(error).__name__}: {error}".rstrip(": ")
