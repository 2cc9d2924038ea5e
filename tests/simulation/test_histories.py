"""The product lives through histories, known and new ones; what is broken does not."""

import os
import random
import subprocess
import sys
from collections.abc import Sequence

import pytest
import typer
from typer.testing import CliRunner, Result

from mpcsfaas.plugins import Plugins
from mpcsfaas.scheduling import Scheduler
from mpcsfaas.testing.simulation import Machinery, simulate
from mpcsfaas.testing.simulation.__main__ import main

FRESH = 10
"""New histories for each choice of plugins. Each takes about a tenth of a second."""
REGRESSIONS = {
    "push": [51, 77, 158],
    "pull": [0],
}
"""Histories that the product once failed."""


def machinery_of(*names: str) -> Machinery:
    return Machinery.of(Plugins.select(names))


@pytest.mark.parametrize("strategy", REGRESSIONS)
def test_histories_that_once_went_wrong(strategy: str) -> None:
    machinery = machinery_of(strategy)
    for seed in REGRESSIONS[strategy]:
        verdict = simulate(seed, machinery)
        assert not verdict.broken, f"seed {seed}"
        assert verdict.tasks


@pytest.mark.parametrize("names", [("push",), ("pull",), ("push", "phi_accrual")])
def test_new_histories(names: Sequence[str]) -> None:
    machinery = machinery_of(*names)
    first = random.SystemRandom().randrange(1_000_000_000)
    for seed in range(first, first + FRESH):
        verdict = simulate(seed, machinery)
        plugins = " ".join(f"--plugin {name}" for name in names)
        repeat = f"uv run python -m mpcsfaas.testing.simulation --seed {seed} {plugins}"
        assert not verdict.broken, f"To see it again: {repeat}"


def test_a_number_is_the_same_history_in_every_process() -> None:
    command = [sys.executable, "-m", "mpcsfaas.testing.simulation", "--seed", "7"]
    environment = {**os.environ, "PYTHONHASHSEED": "1"}
    output = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True).stdout
    assert f"Digest of the last: {simulate(7, machinery_of('push')).digest:08x}." in output


def run(*arguments: str) -> Result:
    app = typer.Typer()
    app.command()(main)
    return CliRunner().invoke(app, arguments)


def test_a_strategy_without_workers_that_connect_is_refused() -> None:
    result = run("--plugin", "local")
    assert result.exit_code == 2
    assert "Choose push, or pull" in result.stderr


def test_a_broken_promise_is_told_with_the_command_that_shows_it_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Scheduler, "dispatch", lambda self, assignments, now: [])
    result = run("--seed", "51")
    assert result.exit_code == 1
    assert "uv run python -m mpcsfaas.testing.simulation --seed 51 --plugin push" in result.stdout
    assert "is RUNNING for ever" in result.stdout
