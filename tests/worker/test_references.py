"""Results of other tasks in the place of what refers to them."""

from typing import TYPE_CHECKING, Any

import dill
from hypothesis import given
from hypothesis import strategies as st

from mpcsfaas.model import FailureKind, ParentResult
from mpcsfaas.references import KEY, reference, resolved

if TYPE_CHECKING:
    from tests.worker.conftest import PoolDriver

IDS = ("first", "second")
names = st.text(max_size=3) | st.just(KEY)
leaves = st.none() | st.integers() | st.text(max_size=3) | st.sampled_from(IDS).map(reference)
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(names, inner),
    max_leaves=10,
)


def load(task_id: str) -> bytes:
    return task_id.encode()


@given(values)
def test_every_reference_is_resolved_and_nothing_else(value: Any) -> None:
    expected = repr(value)
    for task_id in IDS:
        expected = expected.replace(repr(reference(task_id)), repr(load(task_id)))
    assert repr(resolved(value, IDS, load)) == expected


@given(values)
def test_references_to_tasks_that_are_no_parents_are_data(value: Any) -> None:
    assert resolved(value, ("third",), load) == value


def test_what_only_looks_like_one_is_data() -> None:
    for value in ({KEY: ["first"]}, {KEY: 1}, {KEY: "first", "more": 1}, {"result": "first"}):
        assert resolved(value, IDS, load) == value


def collect(*args: Any, **kwargs: Any) -> list[Any]:
    return [args, kwargs, args[0] is kwargs["same"]]


def test_a_result_is_loaded_once_by_its_own_serializer(pool: "PoolDriver") -> None:
    parents = ParentResult("first", "json", b"[1, 2]"), ParentResult("second", "dill", dill.dumps({3}))
    first, second = map(reference, IDS)
    assignment = pool.assignment(collect, first, (second,), same=first)._replace(parents=parents)
    (result,) = pool.run(assignment)
    assert dill.loads(result.value) == [([1, 2], ({3},)), {"same": [1, 2]}, True]


def test_a_result_that_cannot_be_loaded_fails_the_task_if_it_is_asked_for(pool: "PoolDriver") -> None:
    parents = (ParentResult("first", "json", b"{"), ParentResult("second", "none such", b""))
    failures = []
    for task_id in IDS:
        (result,) = pool.run(pool.assignment(len, reference(task_id))._replace(parents=parents))
        assert result.failure is not None
        failures.append(result.failure)
    assert [failure.kind for failure in failures] == [FailureKind.INVALID_PAYLOAD, FailureKind.INCOMPATIBLE]
    assert failures[0].message.startswith("The result of its parent first cannot be loaded: ")
    assert failures[1].message.startswith("This worker has no serializer none such ")
    (result,) = pool.run(pool.assignment(abs, -1)._replace(parents=parents))
    assert result.failure is None
