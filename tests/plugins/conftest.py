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


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Distributions]:
    modules, path = set(sys.modules), list(sys.path)
    yield ImportableDistributions(tmp_path)
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if name.startswith("mpcsfaas_") and name.endswith("_module"):
            del sys.modules[name]
