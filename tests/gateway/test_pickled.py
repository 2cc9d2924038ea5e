"""The pickles that are written by hand are the ones that the standard library reads."""

import pickle
import pickletools

from hypothesis import given
from hypothesis import strategies as st

from mpcsfaas.gateway import pickled

TEXT = st.text(st.characters(exclude_categories=[]))


@given(TEXT)
def test_text(value: str) -> None:
    assert pickle.loads(pickled.text(value)) == value


@given(TEXT)
def test_runtime_errors(message: str) -> None:
    data = pickled.runtime_error(message)
    error = pickle.loads(data)
    assert type(error) is RuntimeError
    assert error.args == (message,)
    assert {opcode.proto <= 2 for opcode, _, _ in pickletools.genops(data)} == {True}
