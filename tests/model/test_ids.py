"""Ids are UUIDs: in the order of making for tasks, made of the content for functions."""

import time
import uuid

from hypothesis import given
from hypothesis import strategies as st

from mpcsfaas.model import TRANSITIONS, State, function_id, new_task_id


def test_task_ids_are_uuids_of_version_7_with_the_present_time() -> None:
    before = time.time_ns() // 1_000_000
    ids = [new_task_id() for _ in range(1000)]
    after = time.time_ns() // 1_000_000
    for text in ids:
        parsed = uuid.UUID(text)
        assert (str(parsed), parsed.version, parsed.variant) == (text, 7, uuid.RFC_4122)
        assert before <= parsed.int >> 80 <= after
    assert len(set(ids)) == len(ids)


@given(st.text(), st.sampled_from(["dill", "json"]), st.binary())
def test_a_functions_id_is_a_uuid_of_version_8_made_of_all_its_content(name: str, serializer: str, data: bytes) -> None:
    text = function_id(name, serializer, data)
    parsed = uuid.UUID(text)
    assert (str(parsed), parsed.version, parsed.variant) == (text, 8, uuid.RFC_4122)
    assert function_id(name, serializer, data) == text
    assert function_id(name + "x", serializer, data) != text
    assert function_id(name, serializer + "x", data) != text
    assert function_id(name, serializer, data + b"x") != text


def test_terminal_states_are_those_that_nothing_leaves() -> None:
    assert {state for state in State if state.is_terminal} == {State.COMPLETED, State.FAILED, State.CANCELLED}
    assert set(TRANSITIONS) == set(State)
