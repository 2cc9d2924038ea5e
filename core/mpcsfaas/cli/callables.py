"""Functions that the command line names: `FILE.py:FUNCTION` or `MODULE:FUNCTION`."""

import sys
from collections.abc import Callable
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from mpcsfaas.errors import SettingsError


class Reference(NamedTuple):
    """A function that was found, and the modules that must travel by value with it."""

    function: Callable[..., Any]
    by_value: tuple[str, ...]


def is_reference(word: str) -> bool:
    """Whether this names a function in a file or a module, rather than a registered one."""
    return ":" in word or word.endswith(".py")


def find_callable(word: str) -> Reference:
    """Import what `word` names. Raises `SettingsError`, saying what is wrong with it."""
    place, _, name = word.rpartition(":")
    if not place or not name:
        raise SettingsError(f"{word!r} names no function. Write FILE.py:FUNCTION or MODULE:FUNCTION.")
    module, by_value = _module(place)
    return Reference(_member(module, place, name), by_value)


def _module(place: str) -> tuple[ModuleType, tuple[str, ...]]:
    try:
        if place.endswith(".py"):
            module = _module_of_file(Path(place))
            return module, (module.__name__,)
        sys.path.insert(0, str(Path.cwd()))
        return import_module(place), ()
    except SettingsError:
        raise
    except ModuleNotFoundError as error:
        raise SettingsError(f"{place} cannot be imported: there is no module {error.name!r} here.") from error
    except Exception as error:
        raise SettingsError(f"{place} cannot be imported: {type(error).__name__}: {error}.") from error


def _module_of_file(path: Path) -> ModuleType:
    """Import a file, together with what lies beside it, under a name that no other module has."""
    if not path.is_file():
        raise SettingsError(f"There is no file {path}. Give the path of a Python file, as in work/jobs.py:main.")
    sys.path.insert(0, str(path.parent.absolute()))
    name = path.stem
    while name in sys.modules or name in sys.stdlib_module_names:
        name += "_"
    spec = spec_from_file_location(name, path)
    assert spec is not None, "the suffix .py has a loader"
    assert spec.loader is not None, "the suffix .py has a loader"
    module = sys.modules[name] = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _member(module: ModuleType, place: str, name: str) -> Callable[..., Any]:
    value: Any = module
    for part in name.split("."):
        value = getattr(value, part, None)
    if callable(value):
        return value  # type: ignore[no-any-return]
    from mpcsfaas.plugins import did_you_mean

    names = [key for key, member in vars(module).items() if callable(member) and not key.startswith("_")]
    raise SettingsError(f"{place} has no function {name!r}.{did_you_mean(name, names)} It has: {', '.join(names)}.")
