"""`mpcsfaas` as a user types it, in processes of its own that need not import everything anew."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

PATIENCE = 60.0
PRELOADED = (
    "urllib3",
    "rich.table",
    "mpcsfaas.cli.group",
    "mpcsfaas.cli.task_commands",
    "mpcsfaas.client.by_value",
)
"""What every command would have to import; the command itself is imported anew."""

_processes = get_context("forkserver")
_processes.set_forkserver_preload([*PRELOADED])


class Printed(NamedTuple):
    """What a command printed."""

    output: str
    errors: str


class CommandLine:
    """The command line of a user at work in `folder`, with a state folder there and no settings."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, *words: str, code: int = 0, **variables: str) -> Printed:
        """Run a command, which must exit with `code`; what it printed."""
        with tempfile.TemporaryDirectory() as files:
            places = [str(Path(files, name)) for name in Printed._fields]
            arguments = (words, str(self.folder), self._environment() | variables, places)
            process = _processes.Process(target=_run, args=arguments)
            process.start()
            process.join(PATIENCE)
            if process.exitcode is None:
                process.kill()
            printed = Printed(*(Path(place).read_text() for place in places))
        assert process.exitcode == code, f"{words} exited with {process.exitcode}: {printed}"
        return printed

    def cold(self, *words: str, code: int = 0, **variables: str) -> Printed:
        """As a call, but in a process that has nothing imported yet, so that it sees what is installed just now."""
        process = self.start(*words, **variables)
        printed = Printed(*process.communicate(timeout=PATIENCE))
        assert process.returncode == code, f"{words} exited with {process.returncode}: {printed}"
        return printed

    def json(self, *words: str, code: int = 0) -> Any:
        """What a command prints with `--json`."""
        return json.loads(self(*words, "--json", code=code).output)

    def error(self, *words: str, code: int, **variables: str) -> str:
        """The line that tells an error. Nothing else may be on the output."""
        printed = self(*words, code=code, **variables)
        assert printed.output == ""
        return printed.errors.splitlines()[-1]

    def start(self, *words: str, **variables: str) -> "subprocess.Popen[str]":
        """Start it as a user's shell would, with nothing imported yet."""
        return subprocess.Popen(
            [sys.executable, "-m", "mpcsfaas", *words],
            cwd=self.folder,
            env=self._environment() | variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def _environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("MPCSFAAS_")}
        folders = dict.fromkeys(("HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME"), str(self.folder))
        return inherited | folders | {"NO_COLOR": "1"}


def _run(words: Sequence[str], folder: str, environment: Mapping[str, str], places: Sequence[str]) -> None:
    """What the new process does: become the user's, and run the command."""
    from mpcsfaas.cli import run

    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    for descriptor, place in enumerate(places, start=1):
        os.dup2(os.open(place, os.O_WRONLY | os.O_CREAT), descriptor)
    sys.exit(run(words))
