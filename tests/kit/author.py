"""Who writes plugins: a folder, and a virtual environment in which mpcsfaas and the plugins are really installed."""

import os
import subprocess
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "mpcsfaas-threads"
KINDS = ("dispatch", "storage", "serializer", "detector")


class Author(NamedTuple):
    """What an author has in a folder of their own."""

    folder: Path
    python: str

    def run(self, *words: str, code: int = 0) -> str:
        """Run `python -m …` of the environment, which must exit with `code`; what it printed."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("MPCSFAAS_", "PYTEST"))}
        homes = dict.fromkeys(("HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME"), str(self.folder))
        command = [self.python, "-m", *words]
        done = subprocess.run(
            command, cwd=self.folder, env=inherited | homes, capture_output=True, text=True, check=False
        )
        assert done.returncode == code, f"{command}:\n{done.stdout}{done.stderr}"
        return done.stdout

    @property
    def distributions(self) -> list[Path]:
        """The example, and a skeleton of each kind."""
        return [self.folder / EXAMPLE.name, *(self.folder / f"mpcsfaas-my-{kind}" for kind in KINDS)]

    def install(self, *what: str) -> None:
        """As `pip install` does."""
        quietly("uv", "pip", "install", "--python", self.python, *what)


def quietly(*command: str) -> None:
    """Run a command, which must succeed."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, f"{command}:\n{done.stdout}{done.stderr}"
