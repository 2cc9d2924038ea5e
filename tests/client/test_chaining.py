"""What becomes of tasks among a call's arguments."""

import pickle
from collections import OrderedDict
from typing import Any

import pytest

from mpcsfaas.client import result_of
from mpcsfaas.client.chaining import Call, chained
from mpcsfaas.client.handles import BaseHandle
from mpcsfaas.client.payloads import Payloads
from mpcsfaas.client.session import Registry, Session
from mpcsfaas.references import reference

ONE, TWO = BaseHandle[int]("one"), BaseHandle[str]("two")
FIRST, SECOND = reference("one"), reference("two")


def test_tasks_become_references_once_each() -> None:
    call = chained((ONE, [TWO, 1, ONE], (ONE,)), {"a": {"b": TWO}, "c": 3})
    assert call == Call((FIRST, [SECOND, 1, FIRST], (FIRST,)), {"a": {"b": SECOND}, "c": 3}, ("one", "two"))


@pytest.mark.parametrize("value", [1, "one", [1, [2]], {"a": [3]}, (), OrderedDict(a=1), {1, 2}, [[ONE]]])
def test_arguments_without_tasks_are_left_as_they_are(value: Any) -> None:
    args, kwargs = (value,), {"value": value}
    call = chained(args, kwargs)
    assert call.args is args
    assert call.kwargs is kwargs
    assert call.parents == ()


@pytest.mark.parametrize("options", [{}, {"after": ["earlier"]}])
def test_a_task_names_its_parents_besides_those_of_the_options(options: dict[str, Any]) -> None:
    session = Session(Registry(Payloads("cloudpickle")), 1.0, options)
    item = session.new_task("function", (ONE, 1), {"more": [TWO]}).item
    assert item["after"] == [*options.get("after", []), "one", "two"]
    assert pickle.loads(item["payload"]) == ((FIRST, 1), {"more": [SECOND]})
    assert session.new_task("function", (1,), {}).item.get("after") == options.get("after")


def test_only_a_task_has_a_result() -> None:
    assert result_of(ONE) is ONE  # type: ignore[comparison-overlap]
    with pytest.raises(TypeError, match="Not a task's handle or future: 'one'"):
        result_of("one")  # type: ignore[arg-type]
