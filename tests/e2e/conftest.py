"""One running platform for the whole end-to-end suite."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mpcsfaas.testing.platform import PlatformProcess


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("platform")


@pytest.fixture(scope="session")
def platform(shared_folder: Path) -> Iterator[PlatformProcess]:
    importable = shared_folder / "importable"
    importable.mkdir()
    (importable / "tests.py").write_text("def double(x):\n    return 2 * x\n")
    arguments = ["-w", "2", "--path", str(importable)]
    with PlatformProcess(shared_folder, *arguments) as running:
        yield running
