"""What a user sees when something goes wrong, and the exit code that a script sees."""

import traceback

import typer

from mpcsfaas.client.errors import GatewayError, ResultUnreadable, TaskFailed
from mpcsfaas.errors import MpcsfaasError, StorageError

FAILED = 1
USAGE = 2


def report(error: Exception) -> int:
    """Tell the user on standard error, in one line where the cause is known; the exit code."""
    match error:
        case typer.TyperException():
            if message := error.format_message():  # Empty when help was shown, as nothing was asked for.
                _say(f"{message if message.endswith(('.', '?', ')')) else f'{message}.'} See --help.")
            return error.exit_code
        case typer.Abort():
            _say("stopped by the user.")
            return FAILED
        case StorageError() | GatewayError() | TaskFailed() | ResultUnreadable():
            _say(str(error))
            return FAILED
        case MpcsfaasError():
            _say(str(error))
            return USAGE
    typer.echo("".join(traceback.format_exception(error)), err=True)
    _say(f"{type(error).__name__}: {error}. This is a defect of mpcsfaas: please report it with the lines above.")
    return FAILED


def _say(message: str) -> None:
    typer.echo(typer.style("error: ", fg="red", bold=True) + " ".join(message.split()), err=True)
