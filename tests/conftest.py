"""Options of the whole test run. They are here as pytest reads only this file before it reads its command line."""

import signal
from argparse import ArgumentTypeError
from collections.abc import Callable

import pytest

MODES = ("local", "pull", "push")
STORAGES = ("sqlite", "redis")


def _some_of(choices: tuple[str, ...]) -> Callable[[str], list[str]]:
    def parse(words: str) -> list[str]:
        chosen = words.split(",")
        if not set(chosen) <= set(choices):
            raise ArgumentTypeError(f"{words!r} is not made of {', '.join(choices)}, with commas between them")
        return chosen

    return parse


def pytest_configure() -> None:
    """Have tests interrupt their processes even when this run is in a shell's background, where SIGINT is ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("mpcsfaas", "which platforms the end-to-end suite runs on")
    group.addoption("--modes", type=_some_of(MODES), default=list(MODES), help=f"By default all: {','.join(MODES)}.")
    group.addoption(
        "--storages", type=_some_of(STORAGES), default=list(STORAGES), help=f"By default all: {','.join(STORAGES)}."
    )
