"""What a task keeps of the trace that it is part of: W3C Trace Context, as plain text. No tracer is needed for it.

The span in which an attempt runs has an id that follows from the attempt. So the attempt can be told it before there is
a span, and whoever makes the span later needs to ask nobody.
"""

import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

VARIABLE = "TRACEPARENT"
"""The environment variable that tells a program which trace it is part of."""
PATTERN = r"^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$"
"""What `traceparent` looks like where we pass it on."""
SUBMITTED, CANCELLED = "mpcsfaas.submitted", "mpcsfaas.cancelled"
"""Where the scope of a request to a gateway has the traced `Task`s that it submits, and the ids that it cancels."""
_ANY_VERSION = re.compile(
    r"(?P<version>(?!ff)[0-9a-f]{2})-(?P<ids>(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16})-(?P<flags>[0-9a-f]{2})(?P<more>-.*)?"
)
_SAMPLED = 0x01
_told: str | None = None


def traceparent_of(header: str) -> str | None:
    """The trace context of a header, as version 00 writes it; None if there is none, which is then to be ignored.

    Of a later version, this is what version 00 knows.
    """
    found = _ANY_VERSION.fullmatch(header.strip(" \t"))
    if found is None or (found["version"] == "00" and found["more"]):
        return None
    flags = found["flags"] if found["version"] == "00" else f"{int(found['flags'], 16) & _SAMPLED:02x}"
    return f"00-{found['ids']}-{flags}"


def trace_id(traceparent: str) -> str:
    """The trace."""
    return traceparent[3:35]


def span_id(traceparent: str) -> str:
    """The span in which the task was submitted."""
    return traceparent[36:52]


def is_sampled(traceparent: str) -> bool:
    """Whether its caller wants the trace to be kept."""
    return bool(int(traceparent[53:55], 16) & _SAMPLED)


def derived_span_id(*parts: object) -> str:
    """A span id that is the same for everybody who knows what the span is about."""
    return hashlib.sha256("\0".join(map(str, parts)).encode()).digest()[:8].hex()


def running_span_id(task_id: str, number: int) -> str:
    """The span in which the function runs, of one attempt."""
    return derived_span_id("running", task_id, number)


def within_attempt(traceparent: str, task_id: str, number: int) -> str:
    """The trace context of what the function of an attempt does."""
    return f"{traceparent[:36]}{running_span_id(task_id, number)}{traceparent[52:]}"


@contextmanager
def told(traceparent: str) -> Iterator[None]:
    """Meanwhile, this process and what it starts are part of a trace, and can know it."""
    global _told
    os.environ[VARIABLE] = _told = traceparent
    try:
        yield
    finally:
        _told = None
        os.environ.pop(VARIABLE, None)


def told_here() -> str | None:
    """What this process is part of by `told`. To look into the environment takes a hundred times as long."""
    return _told
