"""Unpickles results so that classes of this process stay what they are.

A class that travelled to a worker by value comes back by value inside each of its instances. cloudpickle would make a
second class of it (in a process that did not send it), or write the returned methods over those of the first. Here the
class that is defined in this process is used as it stands, so `isinstance` holds and nothing is changed.
"""

import pickle
import sys
from io import BytesIO
from typing import Any

import cloudpickle

_MARK = b"_class_setstate"
"""cloudpickle names this function in every pickle that holds a class by value."""


def holds_classes(data: bytes) -> bool:
    """True if the pickle `data` holds classes by value, so that `loads` should read it."""
    return _MARK in data


def loads(data: bytes) -> Any:
    """Unpickle; runs code that `data` names. Raises whatever that code raises."""
    return _Unpickler(BytesIO(data)).load()


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        """Called for every name in the pickle."""
        if module.startswith("cloudpickle") and name in _REPLACED:
            return _REPLACED[name]
        return super().find_class(module, name)


def _make_class(metaclass: Any, name: str, bases: Any, members: dict[str, Any], tracker: Any, extra: Any) -> Any:
    found = _find_own(members.get("__module__"), name)
    return found or cloudpickle.cloudpickle._make_skeleton_class(metaclass, name, bases, members, tracker, extra)


def _make_enum(bases: Any, name: str, qualname: str, members: Any, module: str, tracker: Any, extra: Any) -> Any:
    found = _find_own(module, qualname)
    return found or cloudpickle.cloudpickle._make_skeleton_enum(bases, name, qualname, members, module, tracker, extra)


def _set_state(class_: type, state: Any) -> type:
    if _find_own(class_.__module__, class_.__qualname__) is class_:
        return class_
    return cloudpickle.cloudpickle._class_setstate(class_, state)  # type: ignore[no-any-return]


def _find_own(module: str | None, qualname: str) -> type | None:
    """The class of that name that is defined in this process."""
    found: Any = sys.modules.get(module or "")
    for name in qualname.split("."):
        found = getattr(found, name, None)
    return found if isinstance(found, type) and found.__module__ == module else None


_REPLACED = {"_make_skeleton_class": _make_class, "_make_skeleton_enum": _make_enum, "_class_setstate": _set_state}
