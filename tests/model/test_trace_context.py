"""Trace contexts of headers, as https://www.w3.org/TR/trace-context/ has them, and those of attempts."""

import os
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpcsfaas import trace_context
from mpcsfaas.trace_context import PATTERN, is_sampled, running_span_id, told, told_here, traceparent_of, within_attempt

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
VALID = f"00-{TRACE}-{SPAN}-01"


@pytest.mark.parametrize(
    ("header", "understood"),
    [
        (VALID, VALID),
        (f" {VALID}\t", VALID),
        (f"00-{TRACE}-{SPAN}-00", f"00-{TRACE}-{SPAN}-00"),
        (f"cc-{TRACE}-{SPAN}-03-what-comes-later", VALID),
        (f"01-{TRACE}-{SPAN}-08", f"00-{TRACE}-{SPAN}-00"),
        (f"{VALID}-more", None),
        (f"{VALID}\n", None),
        (f"ff-{TRACE}-{SPAN}-01", None),
        (f"00-{'0' * 32}-{SPAN}-01", None),
        (f"00-{TRACE}-{'0' * 16}-01", None),
        (f"00-{TRACE.upper()}-{SPAN}-01", None),
        (f"00-{TRACE}-{SPAN}-1", None),
        ("", None),
    ],
)
def test_what_is_no_context_is_ignored(header: str, understood: str | None) -> None:
    assert traceparent_of(header) == understood


@given(
    st.text() | st.from_regex(PATTERN) | st.from_regex(r"\A[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-.*)?\Z")
)
def test_what_is_understood_is_passed_on_as_version_00_writes_it(header: str) -> None:
    understood = traceparent_of(header)
    if understood is not None:
        assert re.fullmatch(PATTERN, understood)
        assert understood[3:52] == header.strip(" \t")[3:52]
        assert is_sampled(understood) == bool(int(header.strip(" \t")[53:55], 16) & 1)


def test_an_attempt_is_a_span_of_its_own_in_the_same_trace() -> None:
    first, second = within_attempt(VALID, "task", 1), within_attempt(VALID, "task", 2)
    assert first == f"00-{TRACE}-{running_span_id('task', 1)}-01"
    assert len({first, second, VALID, within_attempt(VALID, "another", 1)}) == 4
    assert traceparent_of(first) == first


def test_a_process_is_told_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(trace_context.VARIABLE, raising=False)
    with told(VALID):
        assert (told_here(), os.environ[trace_context.VARIABLE]) == (VALID, VALID)
    assert told_here() is None
    assert trace_context.VARIABLE not in os.environ
