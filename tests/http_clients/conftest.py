"""A platform for clients that are not ours, and functions for them to execute."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mpcsfaas.testing.command_line import CommandLine
from mpcsfaas.testing.platform import PlatformProcess

Register = Callable[[str], str]

WORK = '''
import math
import pathlib
import time


def root(number):
    """Fails for negative numbers."""
    return math.sqrt(number)


def area(width, height):
    return width * height


def not_a_number():
    return math.nan


def echo(value):
    return value


def after_gate(value, gate):
    while not pathlib.Path(gate).exists():
        time.sleep(0.01)
    return value
'''


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlatformProcess]:
    with PlatformProcess(tmp_path_factory.mktemp("platform"), "-w", "4") as running:
        yield running


@pytest.fixture(scope="session")
def work(tmp_path_factory: pytest.TempPathFactory) -> CommandLine:
    """A user's folder with `work.py`."""
    folder = tmp_path_factory.mktemp("work")
    (folder / "work.py").write_text(WORK)
    return CommandLine(folder)


@pytest.fixture(scope="session")
def register(platform: PlatformProcess, work: CommandLine) -> Register:
    """Registers a function of `WORK` as a user does; its id."""
    return lambda name: work("fn", "register", f"work.py:{name}", MPCSFAAS_URL=platform.url).output.strip()


@pytest.fixture
def shell(tmp_path: Path) -> dict[str, str]:
    """The environment of a user's shell in which `mpcsfaas` is installed, and nothing else of ours is set."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("MPCSFAAS_")}
    commands = Path(sys.executable).parent
    return inherited | {"HOME": str(tmp_path), "PATH": f"{commands}:{inherited['PATH']}"}


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Path]:
    """A file that the tasks of `after_gate` wait for. It is there after the test at the latest."""
    path = tmp_path / f"gate-{time.monotonic_ns()}"
    yield path
    path.touch()
