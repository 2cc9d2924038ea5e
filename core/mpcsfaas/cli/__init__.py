"""The command line. To add a command, write it into a module here, and its name into `COMMANDS` in `group.py`.

A command module has a `typer.Typer` called `app` and imports at its top only what is light: it is imported for `--help`
too. A command that needs settings or plugins is marked with `configured` and gets a `Setup`:

    app = typer.Typer()

    @app.command()
    @configured("host", "port", kinds=[Kind.STORAGE])
    def serve(setup: Setup, reload: bool = False) -> None: ...
"""

import os
import sys
from collections.abc import Sequence
from typing import NoReturn


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """The entry point `mpcsfaas`: run one command and exit with 0 (done), 1 (failed) or 2 (wrong usage or settings)."""
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: Sequence[str]) -> int:
    """Run one command; the exit code. Errors are reported on standard error, never raised."""
    from mpcsfaas.cli.completion import words_to_complete
    from mpcsfaas.cli.errors import FAILED, report
    from mpcsfaas.cli.group import root_command

    words = list(arguments)
    typed = words_to_complete(os.environ)
    if typed is not None:
        words = [*typed, "--help"]  # With it, settings that are wrong are no error.
    try:
        code = root_command().main(args=words, prog_name="mpcsfaas", standalone_mode=False, obj=words)
    except Exception as error:
        return report(error) if typed is None else FAILED
    return code if isinstance(code, int) else 0
