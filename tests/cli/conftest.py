"""A platform, a folder with a user's files, and `mpcsfaas` as that user types it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mpcsfaas.testing.command_line import CommandLine
from mpcsfaas.testing.platform import PlatformProcess

JOBS = """
import os
import sys
import time

from helper import BASE


def add(x, y=1):
    return x + y + BASE


def describe(*args, **kwargs):
    return [args, kwargs]


def greet(name="you"):
    return f"Hello, {name}!\\nBye."


def fail(why):
    raise ValueError(why)


def fail_once(path):
    if os.path.exists(path):
        return "done"
    with open(path, "x"):
        raise ValueError("the first time")


class Trap:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return eval, (f"open({self.path!r}, 'w').close()",)


def crash():
    os._exit(3)


def chatter():
    print("to the output")
    print("to the errors", file=sys.stderr)


def talk(path):
    number = 2 if os.path.exists(path + "1") else 1
    print("attempt", number)
    if number == 1:
        open(path + "1", "x").close()
        raise ValueError("again")
    while not os.path.exists(path):
        time.sleep(0.01)


def nap(seconds):
    time.sleep(seconds)
    return "awake"


class Strange:
    def __repr__(self):
        return "<strange>"


def strange():
    return Strange()
"""


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("user")
    (folder / "jobs.py").write_text(JOBS)
    (folder / "helper.py").write_text("BASE = 100\n")
    return folder


@pytest.fixture(scope="session")
def platform(folder: Path) -> Iterator[PlatformProcess]:
    with PlatformProcess(folder, "-w", "2") as running:
        yield running


@pytest.fixture(scope="session")
def mpcsfaas(folder: Path, platform: PlatformProcess) -> CommandLine:
    """It finds the platform by itself, as the user's own."""
    return CommandLine(folder)


@pytest.fixture
def alone(tmp_path: Path) -> CommandLine:
    """Of a user who runs no platform."""
    return CommandLine(tmp_path)
