"""Tasks are part of the trace that their caller is in, if it traces at all."""

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, use_span

from mpcsfaas.client import Client, Executor
from mpcsfaas.client.tracing import current_traceparent
from mpcsfaas.testing.platform import PlatformProcess
from mpcsfaas.trace_context import within_attempt

CONTEXT = SpanContext(0x0AF7651916CD43DD8448EB211C80319C, 0xB7AD6B7169203331, False, TraceFlags(1))
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def traced() -> Iterator[None]:
    with use_span(NonRecordingSpan(CONTEXT)):
        yield


def seen() -> str | None:
    return os.environ.get("TRACEPARENT")


@pytest.mark.usefixtures("traced")
def test_a_task_knows_its_own_span_in_the_callers_trace(client: Client) -> None:
    handle = client.submit(seen)
    assert handle.result(timeout=30) == within_attempt(TRACEPARENT, handle.id, 1)
    assert client.task(handle.id).options.traceparent == TRACEPARENT


@pytest.mark.usefixtures("traced")
def test_it_is_the_span_of_the_thread_that_submits(client: Client) -> None:
    with Executor(client) as executor, ThreadPoolExecutor() as threads:
        inside = executor.submit(seen)
        outside = threads.submit(executor.submit, seen).result()
        assert inside.result(30) == within_attempt(TRACEPARENT, inside.task_id, 1)
        assert outside.result(30) is None


def test_the_next_task_in_the_same_child_is_not_part_of_it(client: Client) -> None:
    with use_span(NonRecordingSpan(CONTEXT)):
        assert any(list(client.map(lambda _: seen(), range(4))))
    assert list(client.map(lambda _: seen(), range(4))) == [None] * 4


@pytest.mark.usefixtures("traced")
def test_what_a_task_submits_is_part_of_it(platform: PlatformProcess, client: Client) -> None:
    def outer(url: str) -> tuple[str | None, str | None]:
        import os

        from mpcsfaas import Client

        with Client(url) as client:
            return os.environ.get("TRACEPARENT"), client.task(client.submit(len, "abc").id).options.traceparent

    own, inner = client.run(outer, platform.url)
    assert own
    assert inner == own


def test_without_a_span_nothing_is_sent(client: Client) -> None:
    assert current_traceparent() is None
    assert "traceparent" not in client.session.new_task(len, ("abc",), {}).item
    assert client.run(seen) is None


def test_the_sdk_never_imports_opentelemetry(platform: PlatformProcess) -> None:
    script = "import sys\nfrom mpcsfaas import Client\nClient(sys.argv[1]).run(len, 'abc')\nprint(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script, platform.url], capture_output=True, text=True, timeout=60, check=True
    )
    assert "mpcsfaas.client.tracing" in done.stdout
    assert "opentelemetry" not in done.stdout
