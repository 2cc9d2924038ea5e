"""Plugins to install for one test."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mpcsfaas.testing.distributions import Distributions


class ImportableDistributions(Distributions):
    """Visible to this very process, too."""

    def add(self, *arguments: str, **details: str) -> Path:
        folder = super().add(*arguments, **details)
        sys.path.insert(0, str(folder))
        return folder


REMOTE = """
from pydantic import Field
from mpcsfaas.interfaces import DispatchStrategy, PluginOptions
class Options(PluginOptions):
    workers: int = Field(3, ge=1, description="How many hands.")
    port: int = Field(5555, description="Where [workers] come in.")
    eager: bool = Field(False, description="Whether to begin at once.")
class Remote(DispatchStrategy):
    "Hands tasks to somewhere else."
    name = "remote"
    Options = Options
    async def start(self, context): pass
    def capacity(self): return 0
    def labels(self): return []
    def dispatch(self, assignments): pass
    def cancel(self, keys): pass
    def workers(self): return []
    async def stop(self): pass
@hookimpl
def mpcsfaas_dispatch_strategies():
    return [Remote]
"""


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Distributions]:
    modules, path = set(sys.modules), list(sys.path)
    yield ImportableDistributions(tmp_path)
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if name.startswith("mpcsfaas_") and name.endswith("_module"):
            del sys.modules[name]


@pytest.fixture
def remote(installed: Distributions) -> Distributions:
    """A strategy that works, beside a plugin that does not."""
    installed.add("remote", REMOTE)
    installed.add("explosive", "raise SystemExit('boom')")
    return installed
