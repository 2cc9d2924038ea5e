"""Which modules a worker has by itself, and which are the user's own and must travel by value.

A worker has the standard library, mpcsfaas, and what is installed: what lies in a folder that an installer filled
(site-packages, dist-packages, a `pip install --target` folder: it holds `*.dist-info`). Everything else is the user's
own: scripts, notebooks, source trees on PYTHONPATH, and projects installed as editable, whose code the workers of
another machine lack and those of this one may have imported before it was last edited. Extension modules cannot
travel by value, wherever they lie.
"""

import os
import site
import sys
import sysconfig
from collections.abc import Iterable
from functools import lru_cache
from importlib.machinery import EXTENSION_SUFFIXES
from types import ModuleType

ALWAYS_INSTALLED = frozenset({"mpcsfaas", "__main__", *sys.builtin_module_names, *sys.stdlib_module_names})
"""Top-level names that never travel as modules; what `__main__` defines travels by value anyhow."""


class OwnModules:
    """Tells the user's own modules from installed ones; the two lists overrule what is found."""

    def __init__(self, by_value: Iterable[str] = (), by_reference: Iterable[str] = ()) -> None:
        self.by_value = frozenset(by_value)
        self.by_reference = frozenset(by_reference)

    def __contains__(self, module: ModuleType) -> bool:
        """True if `module` is to travel by value."""
        for name in _name_and_parents(module.__name__):
            if name in self.by_reference:
                return False
            if name in self.by_value:
                return True
        return not is_installed(module)


def is_installed(module: ModuleType) -> bool:
    """True if any worker can be expected to import `module`."""
    if module.__name__.partition(".")[0] in ALWAYS_INSTALLED:
        return True
    depth = module.__name__.count(".") + 2
    return all(_is_installed_place(place, depth) for place in _places(module))


def _name_and_parents(name: str) -> Iterable[str]:
    while name:
        yield name
        name = name.rpartition(".")[0]


def _places(module: ModuleType) -> list[str]:
    """The file of a module, or the folders of a namespace package; none for what is built in, or made at run time."""
    file = getattr(module, "__file__", None)
    if isinstance(file, str):
        return [file]
    return [place for place in getattr(module, "__path__", ()) if isinstance(place, str)]


@lru_cache(maxsize=4096)
def _is_installed_place(place: str, depth: int) -> bool:
    """`depth` is how many folders up the one may be that the module is imported from."""
    if place.endswith(tuple(EXTENSION_SUFFIXES)):
        return True
    folders = list(_folders_above(os.path.realpath(place)))
    return not _known_folders().isdisjoint(folders) or any(map(_holds_distributions, folders[:depth]))


def _folders_above(path: str) -> Iterable[str]:
    while (parent := os.path.dirname(path)) != path:
        yield parent
        path = parent


@lru_cache(maxsize=4096)
def _holds_distributions(folder: str) -> bool:
    try:
        return any(name.endswith(".dist-info") for name in os.listdir(folder))
    except OSError:
        return False


@lru_cache(maxsize=1)
def _known_folders() -> frozenset[str]:
    folders = {sysconfig.get_path(key) for key in ("stdlib", "platstdlib", "purelib", "platlib")}
    folders.update(site.getsitepackages())
    folders.add(site.getusersitepackages())
    return frozenset(os.path.realpath(folder) for folder in folders)
