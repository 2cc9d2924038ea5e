"""What is said about values that cannot be serialised."""

import threading
from collections.abc import Callable
from functools import partial
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from mpcsfaas.client import by_value
from mpcsfaas.client.culprit import explain
from mpcsfaas.client.installed import OwnModules

lock = threading.Lock()


def explained(value: Any) -> str:
    def dumps(part: Any) -> bytes:
        return by_value.dumps(part, OwnModules())

    with pytest.raises(TypeError):
        dumps(value)
    return explain(value, dumps)


def uses_a_global() -> object:
    return lock


def uses_another_function() -> object:
    return uses_a_global()


def closes_over() -> Callable[[], object]:
    inside = {"deep": [lock]}

    def inner() -> object:
        return inside

    return inner


def has_a_default(held: object = lock) -> object:
    return held


class Holder:
    shared = lock

    def method(self) -> object:
        return lock


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (lock, "a _thread.lock cannot be serialised"),
        (uses_a_global, "function uses_a_global captures a _thread.lock through global `lock`"),
        (uses_another_function, "captures a _thread.lock through global `uses_a_global`, global `lock`"),
        (closes_over(), "captures a _thread.lock through closure variable `inside`, key 'deep', item 0"),
        (has_a_default, "captures a _thread.lock through a default argument"),
        (Holder, "class Holder captures a _thread.lock through `shared`"),
        (partial(has_a_default, lock), "captures a _thread.lock through the function of the partial"),
        (((1, [lock]), {}), "a tuple captures a _thread.lock through item 0, item 1, item 0"),
        (SimpleNamespace(held=lock), "captures a _thread.lock through attribute `held`"),
    ],
)
def test_names_the_culprit_and_the_way_to_it(value: object, expected: str) -> None:
    assert expected in explained(value)


def test_looks_into_modules_as_far_as_they_are_used(write_module: Callable[[str, str], ModuleType]) -> None:
    write_module("parts", "import threading\nunused = threading.Lock()\nused = threading.Lock()\n")
    user = write_module("user", "import parts\ndef f():\n    return parts.used\n")
    assert "through global `parts.used`" in explained(user.f)


def test_a_recursive_function_is_no_trap() -> None:
    def recursive(depth: int) -> object:
        return recursive(depth - 1) if depth else lock

    assert "function" in explained(recursive)
