"""What the blocking names have, the asyncio names have: the same calls, the same arguments, awaited."""

import inspect
import typing
from types import FunctionType
from typing import Any

import pytest

from mpcsfaas.client import (
    AsyncClient,
    AsyncRemoteFunction,
    AsyncTaskHandle,
    Client,
    RemoteFunction,
    TaskHandle,
    connect,
    connect_async,
)
from mpcsfaas.client.function import AsyncDecorator, Decorator

TWINS = [
    (Client, AsyncClient),
    (TaskHandle, AsyncTaskHandle),
    (RemoteFunction, AsyncRemoteFunction),
    (Decorator, AsyncDecorator),
]
RENAMED = {"__enter__": "__aenter__", "__exit__": "__aexit__"}
AT_ONCE = {"local", "with_options", "function", "ended", "heard", "unwrap", "outcome"}
"""What needs no gateway is the same for both."""
WORDS = [("AsyncIterator", "Iterator"), ("Async", ""), ("async_client", "client")]


def public(cls: type) -> dict[str, Any]:
    """A class's public methods and properties, with those of its bases."""
    wanted = {"__enter__", "__exit__", "__aenter__", "__aexit__", "__call__"}
    return {
        name: value
        for name, value in inspect.getmembers(cls)
        if (not name.startswith("_") or name in wanted) and isinstance(value, FunctionType | property)
    }


def blocking(text: str) -> str:
    """What an annotation of the asyncio twin would be in blocking code."""
    for word, replacement in WORDS:
        text = text.replace(word, replacement)
    return text


def signature(function: Any) -> list[tuple[str, Any, Any, str]]:
    parameters = inspect.signature(function).parameters.values()
    return [(each.name, each.kind, each.default, blocking(str(each.annotation))) for each in parameters]


@pytest.mark.parametrize(("cls", "twin"), TWINS)
def test_twins_have_the_same_names(cls: type, twin: type) -> None:
    assert {RENAMED.get(name, name) for name in public(cls)} == public(twin).keys()


METHODS = [
    (cls, twin, name)
    for cls, twin in TWINS
    for name, value in public(cls).items()
    if isinstance(value, FunctionType) and name != "function"
]


@pytest.mark.parametrize(("cls", "twin", "name"), METHODS, ids=lambda value: getattr(value, "__name__", value))
def test_twins_take_the_same_arguments(cls: type, twin: type, name: str) -> None:
    one, other = public(cls)[name], public(twin)[RENAMED.get(name, name)]
    assert signature(one) == signature(other)
    assert blocking(str(one.__annotations__.get("return"))) == blocking(str(other.__annotations__.get("return")))


@pytest.mark.parametrize(("cls", "twin", "name"), METHODS, ids=lambda value: getattr(value, "__name__", value))
def test_what_asks_the_gateway_is_awaited(cls: type, twin: type, name: str) -> None:
    one, other = public(cls)[name], public(twin)[RENAMED.get(name, name)]
    iterates = "Iterator" in str(one.__annotations__.get("return"))
    at_once = name in AT_ONCE or name == "__call__" or iterates
    assert inspect.iscoroutinefunction(other) is not at_once
    assert not iterates or "AsyncIterator" in str(other.__annotations__["return"])


def test_overloads_are_the_same() -> None:
    for name in (name for cls, _, name in METHODS if cls is Client):
        ones = typing.get_overloads(getattr(Client, name))
        others = typing.get_overloads(getattr(AsyncClient, RENAMED.get(name, name)))
        assert [signature(each) for each in ones] == [signature(each) for each in others], name


def test_connecting_has_a_twin() -> None:
    assert inspect.iscoroutinefunction(connect_async)
    assert signature(connect) == signature(connect_async)
