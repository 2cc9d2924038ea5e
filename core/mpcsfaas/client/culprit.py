"""Finds which part of a value cannot be serialised, and how the value leads to it, so that an error can say so."""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from types import FunctionType, MethodType, ModuleType
from typing import Any, NamedTuple

MAX_PARTS = 1000
"""How many parts of one container are tried."""
MAX_DEPTH = 20

Dumps = Callable[[Any], object]


class Part(NamedTuple):
    """Something that a value is made of; `way` reads after the value's name: "global `cache`"."""

    way: str
    value: Any


def explain(value: Any, dumps: Dumps) -> str:
    """Name what in `value` is refused by `dumps`: "function f captures a lock through global `cache`, key 'lock'".

    For messages only: it looks into functions, classes, modules, containers and instances, as far as it goes.
    """
    ways: list[str] = []
    culprit = value
    while len(ways) < MAX_DEPTH:
        refused = next((part for part in _parts(culprit) if not _accepts(dumps, part.value)), None)
        if refused is None:
            break
        ways.append(refused.way)
        culprit = refused.value
    if not ways:
        return f"{describe(value)} cannot be serialised"
    return f"{describe(value)} captures {describe(culprit)} through {', '.join(ways)}"


def describe(value: Any) -> str:
    """A value in a few words that hold neither its content nor its address."""
    match value:
        case FunctionType():
            return f"function {value.__qualname__}"
        case type():
            return f"class {value.__qualname__}"
        case ModuleType():
            return f"module {value.__name__}"
    cls = type(value)
    name = cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"
    return f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"


def _accepts(dumps: Dumps, value: Any) -> bool:
    try:
        dumps(value)
    except Exception:
        return False
    return True


def _parts(value: Any) -> Iterator[Part]:
    match value:
        case FunctionType():
            yield from _captured(value)
        case type():
            yield from _members(value)
        case MethodType():
            yield Part("the object of the method", value.__self__)
            yield Part("the function of the method", value.__func__)
        case partial():
            yield Part("the function of the partial", value.func)
            yield from _parts([*value.args, *value.keywords.values()])
        case list() | tuple() | set() | frozenset():
            yield from (Part(f"item {index}", item) for index, item in enumerate(islice(value, MAX_PARTS)))
        case dict():
            yield from (Part(f"key {_short(key)}", item) for key, item in islice(value.items(), MAX_PARTS))
        case ModuleType():
            return
        case _:
            yield from _attributes(value)


def _captured(function: FunctionType) -> Iterator[Part]:
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            yield Part(f"closure variable `{name}`", cell.cell_contents)
        except ValueError:
            continue  # not bound yet, so there is nothing to serialise
    for default in (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()):
        yield Part("a default argument", default)
    yield from _globals(function)


def _globals(function: FunctionType) -> Iterator[Part]:
    names = function.__code__.co_names
    for name in names:
        value = function.__globals__.get(name)
        if isinstance(value, ModuleType):
            content = vars(value)
            yield from (Part(f"global `{name}.{other}`", content[other]) for other in names if other in content)
        elif name in function.__globals__:
            yield Part(f"global `{name}`", value)


def _members(cls: type) -> Iterator[Part]:
    yield from (Part(f"base {base.__qualname__}", base) for base in cls.__bases__)
    for name, member in vars(cls).items():
        yield Part(f"`{name}`", getattr(member, "__func__", member))


def _attributes(value: Any) -> Iterator[Part]:
    attributes = getattr(value, "__dict__", None)
    if isinstance(attributes, dict):
        yield from (Part(f"attribute `{name}`", part) for name, part in islice(attributes.items(), MAX_PARTS))


def _short(key: Any) -> str:
    text = repr(key)
    return text if len(text) <= 40 else f"{text[:37]}…"
