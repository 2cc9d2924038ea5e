"""An author of plugins, who has the example and a new skeleton of each kind installed."""

import shutil
import sys

import pytest
from tests.kit.author import EXAMPLE, KINDS, Author, quietly


@pytest.fixture(scope="module")
def author(tmp_path_factory: pytest.TempPathFactory) -> Author:
    folder = tmp_path_factory.mktemp("author")
    shutil.copytree(EXAMPLE, folder / EXAMPLE.name)
    made = Author(folder, str(folder / "venv" / "bin" / "python"))
    quietly(sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder))
    quietly("uv", "venv", "--python", sys.executable, str(folder / "venv"))
    [wheel] = folder.glob("*.whl")
    made.install(str(wheel), "hypothesis", "pytest")
    for kind in KINDS:
        made.run("mpcsfaas", "plugins", "new", f"my_{kind}", "--kind", kind)
    made.install(*map(str, made.distributions))
    return made
