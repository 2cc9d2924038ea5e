"""Finds which part of a value cannot be serialised, so that an error can name it."""

import inspect
from collections.abc import Callable, Iterator
from itertools import islice
from types import FunctionType, MethodType
from typing import Any, NamedTuple

MAX_PARTS = 1000
"""How many parts of one container are tried."""
MAX_DEPTH = 20


Parts = Iterator[tuple[str, Any]]
"""What a value is made of, each with the name of its place."""


class _Refused(NamedTuple):
    """A part that could not be serialised, why, and where it is, outermost first."""

    value: Any
    error: Exception
    way: tuple[str, ...] = ()


def describe_refusal(
    value: Any, error: Exception, dumps: Callable[[Any], object], parts_of: Callable[[Any], Parts]
) -> str:
    """Name the innermost part of `value` that `dumps` refuses, the way to it, and why. A best effort, for messages."""
    root = _Refused(value, error)
    culprit = root if _is_too_deep(error) else _Search(dumps, parts_of).innermost(root) or root
    return f"{' in '.join([_kind(culprit.value), *reversed(culprit.way)])}: {reason_of(culprit.error)}."


def reason_of(error: Exception) -> str:
    """The first line of an error's own words, or plainer ones."""
    if _is_too_deep(error):
        return "it is nested too deeply"
    return str(error).partition("\n")[0].rstrip(".") or type(error).__name__


def _is_too_deep(error: BaseException) -> bool:
    return isinstance(error, RecursionError) or isinstance(error.__cause__, RecursionError)


class _Search:
    """Depth first, through refused parts only."""

    def __init__(self, dumps: Callable[[Any], object], parts_of: Callable[[Any], Parts]) -> None:
        self.dumps = dumps
        self.parts_of = parts_of
        self.seen: set[int] = set()

    def innermost(self, refused: _Refused) -> _Refused | None:
        """The first part within `refused` that has itself no refused part; None if all lead back to where we were."""
        self.seen.add(id(refused.value))
        is_culprit = True
        for part in self.refused_parts(refused):
            is_culprit = False
            if id(part.value) not in self.seen and (found := self.innermost(part)):
                return found
        return refused if is_culprit else None

    def refused_parts(self, whole: _Refused) -> Iterator[_Refused]:
        """Those parts of `whole` that cannot be serialised."""
        for place, part in self.parts_of(whole.value) if len(whole.way) < MAX_DEPTH else ():
            try:
                self.dumps(part)
            except Exception as error:
                yield _Refused(part, error, (*whole.way, place))


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
