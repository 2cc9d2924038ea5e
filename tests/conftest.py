"""Options of the whole test run. They are here as pytest reads only this file before it reads its command line."""

import os
import signal
from argparse import ArgumentTypeError
from collections.abc import Callable, Iterator

import pytest
from hypothesis import settings

LONG_EXAMPLES = 20_000
"""Of each property that does not say itself how many."""
MODES = ("local", "pull", "push")
STORAGES = ("sqlite", "redis")


def _some_of(choices: tuple[str, ...]) -> Callable[[str], list[str]]:
    def parse(words: str) -> list[str]:
        chosen = words.split(",")
        if not set(chosen) <= set(choices):
            raise ArgumentTypeError(f"{words!r} is not made of {', '.join(choices)}, with commas between them")
        return chosen

    return parse


@pytest.fixture(autouse=True, scope="session")
def state_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test reads or writes what the user who runs it keeps: keys, the default storage."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MPCSFAAS_STATE_DIR", raising=False)
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


def pytest_configure(config: pytest.Config) -> None:
    """Have tests interrupt their processes even when this run is in a shell's background, where SIGINT is ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if config.getoption("--long"):
        settings.register_profile("long", max_examples=LONG_EXAMPLES, deadline=None)
        settings.load_profile("long")


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """One more process than cores for the whole suite, much of which waits; none for tests that are named."""
    is_whole_suite = config.args_source is pytest.Config.ArgsSource.TESTPATHS
    return (os.cpu_count() or 1) + 1 if is_whole_suite else 0


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="Look for what is rare: tests/fuzzing for an hour.")
    group = parser.getgroup("mpcsfaas", "which platforms the end-to-end suite runs on")
    group.addoption("--modes", type=_some_of(MODES), default=list(MODES), help=f"By default all: {','.join(MODES)}.")
    group.addoption(
        "--storages", type=_some_of(STORAGES), default=list(STORAGES), help=f"By default all: {','.join(STORAGES)}."
    )
    parser.getgroup("mpcsfaas").addoption(
        "--soak",
        type=int,
        default=1,
        metavar="ROUNDS",
        help="How often each test of tests/faults is done; 1 by default.",
    )
