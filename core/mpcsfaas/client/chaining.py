"""Tasks as arguments of others: each is replaced by a reference, which the worker replaces by the task's result."""

from abc import abstractmethod
from collections.abc import Iterable
from typing import Any, Generic, NamedTuple, TypeVar, cast

from mpcsfaas.references import reference

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

_PLAIN = frozenset({int, float, complex, str, bytes, bool, type(None)})
_CONTAINERS = frozenset({list, tuple, dict})


class Chainable(Generic[T_co]):
    """What stands for the result of a task, as an argument of another."""

    __slots__ = ()

    @property
    @abstractmethod
    def chained_id(self) -> str:
        """The task's id."""


def result_of(task: Chainable[T]) -> T:
    """The task itself, which type checkers take for its result, for the arguments of another.

        client.submit(area, result_of(client.submit(width_of, image)), 3)

    Raises `TypeError` for what is no task.
    """
    if not isinstance(task, Chainable):
        raise TypeError(f"Not a task's handle or future: {task!r}. Pass what submit() or remote() gave.")
    return cast(T, task)


class Call(NamedTuple):
    """The arguments of a call, and the ids of the tasks that they refer to."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    parents: tuple[str, ...] = ()


def chained(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call:
    """A call with references in place of tasks, be they arguments or in a list, tuple or dictionary that is one.

    Deeper ones stay what they are, so that large data is not searched through.
    """
    kinds = {*map(type, args), *map(type, kwargs.values())}
    if _PLAIN.issuperset(kinds):
        return Call(args, kwargs)
    parents: dict[str, None] = {}
    new_args = tuple(_looked_through(value, parents) for value in args)
    new_kwargs = {name: _looked_through(value, parents) for name, value in kwargs.items()}
    return Call(new_args, new_kwargs, tuple(parents)) if parents else Call(args, kwargs)


def _looked_through(value: Any, parents: dict[str, None]) -> Any:
    kind = type(value)
    if kind not in _CONTAINERS:
        return _referred(value, parents)
    if kind is dict:
        if not _holds_tasks(value.values()):
            return value
        return {key: _referred(item, parents) for key, item in value.items()}
    return kind(_referred(item, parents) for item in value) if _holds_tasks(value) else value


def _holds_tasks(items: Iterable[Any]) -> bool:
    return any(issubclass(kind, Chainable) for kind in set(map(type, items)))


def _referred(value: Any, parents: dict[str, None]) -> Any:
    if not isinstance(value, Chainable):
        return value
    parents[value.chained_id] = None
    return reference(value.chained_id)
