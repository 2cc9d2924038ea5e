"""A new plugin as a distribution of its own: small, whole, and kept to its contract by tests."""

import os
import shutil
import tempfile
from collections.abc import Mapping
from enum import StrEnum
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from string import Template

from mpcsfaas.errors import PluginError, SettingsError
from mpcsfaas.plugins.discovery import installed_names
from mpcsfaas.plugins.loading import NAME


class SkeletonKind(StrEnum):
    """What a skeleton can be of."""

    DISPATCH = "dispatch"
    STORAGE = "storage"
    SERIALIZER = "serializer"
    DETECTOR = "detector"


NOUNS = {
    SkeletonKind.DISPATCH: "dispatch strategy",
    SkeletonKind.STORAGE: "storage",
    SkeletonKind.SERIALIZER: "serializer",
    SkeletonKind.DETECTOR: "failure detector",
}
USES = {
    SkeletonKind.DISPATCH: "mpcsfaas up --plugin {name}",
    SkeletonKind.STORAGE: "mpcsfaas up --storage {name}://",
    SkeletonKind.SERIALIZER: "mpcsfaas up --plugin {name}",
    SkeletonKind.DETECTOR: "mpcsfaas up --plugin push --plugin {name}",
}
"""How one is chosen."""


def distribution_of(name: str) -> str:
    """What the distribution of a plugin is called, and its folder."""
    return f"mpcsfaas-{name.replace('_', '-')}"


def skeleton(name: str, kind: SkeletonKind) -> dict[str, str]:
    """The files of a new plugin, by their paths. Raises `PluginError` for a name that a plugin cannot have."""
    _check(name)
    words = _words(name, kind)
    module = words["module"]
    return {
        "pyproject.toml": _fill("pyproject.toml", words),
        "README.md": _fill("README.md", words),
        f"src/{module}/__init__.py": _fill(f"{kind}/module.py", words),
        f"src/{module}/py.typed": "",
        f"tests/test_{name}.py": _fill(f"{kind}/test.py", words),
    }


def write_skeleton(name: str, kind: SkeletonKind, folder: Path) -> None:
    """Write the files of a new plugin, all or none, into a folder that does not exist yet.

    Raises `PluginError` for a name that a plugin cannot have, `SettingsError` for a folder that cannot be made.
    """
    contents = skeleton(name, kind)
    if os.path.lexists(folder):
        raise SettingsError(f"The folder {str(folder)!r} exists already. Name another with --folder, or remove it.")
    try:
        _write(contents, folder)
    except OSError as error:
        raise SettingsError(f"Cannot write to {str(folder)!r}: {error.strerror}. Name another --folder.") from error


def _write(contents: Mapping[str, str], folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        for place, content in contents.items():
            path = unfinished / place
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        unfinished.chmod(0o755)
        unfinished.rename(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _check(name: str) -> None:
    if not NAME.fullmatch(name):
        raise PluginError(
            f"A plugin cannot be called {name!r}: use lower-case letters, digits and"
            " underscores, and begin with a letter."
        )
    if name in installed_names():
        raise PluginError(f"There is a plugin {name!r} already, and of two neither could be used. Choose another name.")
    if find_spec(f"mpcsfaas_{name}"):
        raise PluginError(f"There is a package mpcsfaas_{name} already, which yours would hide. Choose another name.")


def _words(name: str, kind: SkeletonKind) -> dict[str, str]:
    return {
        "name": name,
        "kind": NOUNS[kind],
        "title": "".join(word.capitalize() for word in name.split("_")),
        "upper": name.upper(),
        "flag": name.replace("_", "-"),
        "module": f"mpcsfaas_{name}",
        "distribution": distribution_of(name),
        "use": USES[kind].format(name=name),
    }


def _fill(template: str, words: Mapping[str, str]) -> str:
    text = files("mpcsfaas.plugins").joinpath("skeletons", f"{template}.template").read_text()
    return Template(text).substitute(words)
