import pickle
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpcsfaas.client.payloads import SIMPLE, Payloads
from mpcsfaas.errors import PluginError, SerializationError
from mpcsfaas.model import function_id

simple = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.complex_numbers(allow_nan=False)
    | st.text()
    | st.binary()
)
plain = st.recursive(
    simple,
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


def same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and repr(one) == repr(other)


@settings(deadline=None, max_examples=50)
@given(st.lists(plain, max_size=4).map(tuple), st.dictionaries(st.text(), plain, max_size=4))
def test_the_way_that_is_chosen_for_arguments_makes_no_difference(
    args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    """Neither to values nor to types, down to the last one."""
    assert same(pickle.loads(Payloads("cloudpickle").dumps_call(args, kwargs)), (args, kwargs))


@settings(deadline=None, max_examples=50)
@given(st.lists(simple).map(tuple), st.dictionaries(st.text(), simple))
def test_simple_data_is_what_the_standard_pickler_writes(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    assert Payloads("cloudpickle").dumps_call(args, kwargs) == pickle.dumps((args, kwargs), 5)


@pytest.mark.parametrize("base", sorted(SIMPLE - {bool, type(None)}, key=str))
def test_subclasses_of_simple_types_are_not_simple(base: type) -> None:
    """The standard pickler would send them by name."""
    own = type("Own", (base,), {})
    ((value,), _) = pickle.loads(Payloads("cloudpickle").dumps_call((own(),), {}))
    assert type(value).__name__ == "Own"


@pytest.mark.parametrize("serializer", ["cloudpickle", "dill", "msgpack", "json"])
def test_any_serializer_can_be_used(serializer: str) -> None:
    payloads = Payloads(serializer)
    packed = payloads.pack(same)
    assert packed.serializer == (serializer if serializer == "dill" else "cloudpickle")
    assert packed.id == function_id("same", packed.serializer, packed.payload)
    assert packed.serializer_version
    args, kwargs = payloads.loads(serializer, payloads.dumps_call((1, "two"), {"three": [3.5]}))
    assert tuple(args) == (1, "two")
    assert kwargs == {"three": [3.5]}


def test_an_unknown_serializer_is_refused_at_once() -> None:
    with pytest.raises(PluginError, match=r"dil.*dill"):
        Payloads("dil")


def test_what_cannot_be_sent_is_named(write_module: Callable[[str, str], ModuleType]) -> None:
    user = write_module("user", "import threading\ncache = {'lock': threading.Lock()}\ndef f():\n    return cache\n")
    with pytest.raises(SerializationError) as caught:
        Payloads("cloudpickle").pack(user.f)
    assert "function f captures a _thread.lock through global `cache`, key 'lock'" in str(caught.value)
    assert "Make it inside the function" in str(caught.value)
