"""Pickles the user's own modules by value, so that a worker needs no copy of them.

cloudpickle writes a function or class of an importable module as a name, to be imported by the reader. Here those of
the user's own modules (see `installed`) are written out instead, and so are the modules themselves, where code says
`helpers.work()`. Of such a module only the names go along that some code in the same pickle mentions, as an attribute
or as a string: so a lock or a connection that the module happens to hold is in nobody's way.
"""

import sys
import threading
from collections.abc import Iterator
from io import BytesIO
from types import CodeType, FunctionType, ModuleType, TracebackType
from typing import Any, NewType, ParamSpec, TypeVar, TypeVarTuple

import cloudpickle

from mpcsfaas.client.installed import OwnModules

PROTOCOL = 5
DYNAMIC_FILENAME = "<dynamic-code>"
ALWAYS_MENTIONED = frozenset({"__getattr__", "__version__"})

_registry_lock = threading.RLock()


def dumps(value: Any, own: OwnModules) -> bytes:
    """Pickle `value`, with what it uses of `own` modules. Raises whatever the pickler raises.

    Which names are mentioned is known only once everything has been met, so a pass that left one out is repeated.
    """
    mentioned = set(ALWAYS_MENTIONED)
    while True:
        buffer = BytesIO()
        with _Registration() as registration:
            pickler = _ByValuePickler(buffer, own, mentioned, registration)
            pickler.dump(value)
        if mentioned.isdisjoint(pickler.left_out):
            return buffer.getvalue()


class _Registration:
    """Modules that cloudpickle writes by value until the `with` block ends.

    cloudpickle keeps them for the whole process, hence the lock, which is taken only when there is such a module.
    """

    def __init__(self) -> None:
        self._locked = False
        self._modules: dict[str, ModuleType] = {}

    def __enter__(self) -> "_Registration":
        return self

    def add(self, module: ModuleType) -> None:
        """Have `module` written by value from now on."""
        if not self._locked:
            _registry_lock.acquire()
            self._locked = True
        if module.__name__ not in cloudpickle.list_registry_pickle_by_value():
            cloudpickle.register_pickle_by_value(module)
            self._modules[module.__name__] = module

    def __exit__(
        self, type_: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for module in self._modules.values():
            cloudpickle.unregister_pickle_by_value(module)
        if self._locked:
            _registry_lock.release()


class _ByValuePickler(cloudpickle.Pickler):  # type: ignore[misc]  # cloudpickle has no types
    def __init__(self, file: BytesIO, own: OwnModules, mentioned: set[str], registration: _Registration) -> None:
        super().__init__(file, protocol=PROTOCOL)
        self._own = own
        self._mentioned = mentioned
        self._registration = registration
        self.left_out: set[str] = set()
        """Names of own modules that did not go along."""

    def reducer_override(self, value: Any) -> Any:
        """Called for whatever is not plain data."""
        match value:
            case ModuleType() if value in self._own:
                return self._reduce_module(value)
            case FunctionType():
                self._mentioned.update(_mentioned_names(value.__code__))
                self._register_home(value)
            case type() | TypeVar():
                self._register_home(value)
            case CodeType():
                return self._reduce_code(value)
            case ParamSpec() | TypeVarTuple():
                return type(value), (value.__name__,)
            case NewType():
                return NewType, (value.__name__, value.__supertype__)
        return super().reducer_override(value)

    def _register_home(self, value: Any) -> None:
        home = sys.modules.get(getattr(value, "__module__", None) or "")
        if home is not None and home in self._own:
            self._registration.add(home)

    def _reduce_code(self, code: CodeType) -> tuple[Any, ...]:
        """With the name of its file, which cloudpickle leaves out and tracebacks need."""
        make, args = self.dispatch_table[CodeType](code)
        return make, tuple(code.co_filename if arg == DYNAMIC_FILENAME else arg for arg in args)

    def _reduce_module(self, module: ModuleType) -> tuple[Any, ...]:
        content = dict(vars(module))
        kept = {name: value for name, value in content.items() if name in self._mentioned}
        self.left_out.update(content.keys() - kept.keys())
        return ModuleType, (module.__name__, module.__doc__), kept


def _mentioned_names(code: CodeType) -> Iterator[str]:
    """Every name and every string in a function's code and in the functions within it."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, str):
            yield constant
        elif isinstance(constant, CodeType):
            yield from _mentioned_names(constant)
