"""A task runs as the worker's user; it must not find in the worker what is kept from its own environment."""

import subprocess
import sys
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from mpcsfaas.cli import serving, working

PEEP = """
import ctypes, os, sys
from mpcsfaas.cli.privacy import hide_from_tasks

if os.geteuid() == 0:
    os.setresuid(65534, 65534, 65534)  # root may read everything
ctypes.CDLL(None).prctl(4, 1)  # as every program begins
if sys.argv[1] == "hidden":
    hide_from_tasks()
worker = os.getpid()
if os.fork() == 0:
    try:
        print("MPCSFAAS_STORAGE" in open(f"/proc/{worker}/environ").read())
    except PermissionError:
        print("denied")
else:
    os.wait()
"""


@pytest.mark.parametrize(("mode", "answer"), [("plain", "True"), ("hidden", "denied")])
def test_a_process_of_the_same_user_cannot_read_the_environment(mode: str, answer: str) -> None:
    environment = {"MPCSFAAS_STORAGE": "redis://:password@db"}
    output = subprocess.check_output([sys.executable, "-c", PEEP, mode], text=True, env=environment)
    assert output.strip() == answer


class Hidden(Exception):
    """Raised in place of hiding."""


def run_all(setup: Any) -> None:
    serving.run_service(setup, gateway=True, dispatcher=True, ready_file=None)


def run_worker(setup: Any) -> None:
    working.run_worker(setup, setup, setup, None)


@pytest.mark.parametrize(("module", "run"), [(serving, run_all), (working, run_worker)])
def test_every_server_hides_before_it_starts(
    monkeypatch: pytest.MonkeyPatch, module: ModuleType, run: Callable[[Any], None]
) -> None:
    def hide() -> None:
        raise Hidden

    monkeypatch.setattr(module, "hide_from_tasks", hide)
    monkeypatch.setattr(module, "log_to_stderr", lambda settings: None)
    with pytest.raises(Hidden):
        run(SimpleNamespace(settings=SimpleNamespace(log_level="info")))
