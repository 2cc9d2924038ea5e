"""Finds which part of a value cannot be serialised, so that an error can name it."""

import inspect
from collections.abc import Callable, Iterator
from itertools import islice
from types import FunctionType, MethodType
from typing import Any

MAX_PARTS = 1000
"""How many parts of one container are tried."""
MAX_DEPTH = 20


Parts = Iterator[tuple[str, Any]]
"""What a value is made of, each with the name of its place."""


def describe_refusal(
    value: Any, error: Exception, dumps: Callable[[Any], object], parts_of: Callable[[Any], Parts]
) -> str:
    """Name the innermost part of `value` that `dumps` refuses, the way to it, and why. A best effort, for messages."""
    way: list[str] = []
    seen = {id(value)}
    while (
        not _is_too_deep(error) and len(way) < MAX_DEPTH and (refused := _first_refused(dumps, parts_of(value), seen))
    ):
        place, value, error = refused
        way.append(place)
    return f"{' in '.join([_kind(value), *reversed(way)])}: {reason_of(error)}."


def reason_of(error: Exception) -> str:
    """The first line of an error's own words, or plainer ones."""
    if _is_too_deep(error):
        return "it is nested too deeply"
    return str(error).partition("\n")[0].rstrip(".") or type(error).__name__


def _is_too_deep(error: BaseException) -> bool:
    return isinstance(error, RecursionError) or isinstance(error.__cause__, RecursionError)


def _first_refused(dumps: Callable[[Any], object], parts: Parts, seen: set[int]) -> tuple[str, Any, Exception] | None:
    for place, part in parts:
        if id(part) in seen:
            continue
        seen.add(id(part))
        try:
            dumps(part)
        except Exception as error:
            return place, part, error
    return None


def _kind(value: Any) -> str:
    if isinstance(value, type | FunctionType):
        return f"{type(value).__name__} {value.__qualname__}"
    cls = type(value)
    return f"a {cls.__qualname__}" if cls.__module__ == "builtins" else f"a {cls.__module__}.{cls.__qualname__}"


def parts_of_data(value: Any) -> Parts:
    """What a container holds."""
    match value:
        case list() | tuple() | set() | frozenset():
            yield from _items(value)
        case dict():
            yield from _entries(value)


def parts_of_object(value: Any) -> Parts:
    """What a container, a function or an instance holds."""
    yield from parts_of_data(value)
    match value:
        case FunctionType():
            yield from _captured(value)
        case MethodType():
            yield "the method's object", value.__self__
        case _ if not isinstance(value, type):
            yield from _attributes(value)


def _items(value: Any) -> Parts:
    for index, item in enumerate(islice(value, MAX_PARTS)):
        yield f"item {index} of the {type(value).__name__}", item


def _entries(value: dict[Any, Any]) -> Parts:
    for key, item in islice(value.items(), MAX_PARTS):
        yield "a key of the dict", key
        yield f"item {_short(key)} of the dict", item


def _captured(function: FunctionType) -> Parts:
    """What a function refers to: its closure, its defaults, and the globals that its code names."""
    try:
        closure = inspect.getclosurevars(function)
    except ValueError:  # a variable that has no value yet
        return
    for name, part in closure.nonlocals.items():
        yield f"variable {name} that {function.__name__} closes over", part
    for default in function.__defaults__ or ():
        yield f"a default of {function.__name__}", default
    for name, part in closure.globals.items():
        yield f"global {name} that {function.__name__} uses", part


def _attributes(value: Any) -> Parts:
    attributes = getattr(value, "__dict__", None)
    if isinstance(attributes, dict):
        for name, part in islice(attributes.items(), MAX_PARTS):
            yield f"attribute {name} of the {type(value).__name__}", part


def _short(key: Any) -> str:
    text = repr(key)
    return text if len(text) <= 40 else f"{text[:37]}..."
