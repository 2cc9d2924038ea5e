"""From the client through gateway, dispatcher and worker: one trace, told to a collector by real processes."""

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, use_span
from tests.tracing.collector import Collector, Span

from mpcsfaas.client import Client
from mpcsfaas.client.errors import TaskFailed
from mpcsfaas.testing.deployment import Deployment
from mpcsfaas.testing.platform import PlatformProcess, wait_until

CALLER = 0xB7AD6B7169203331
PLUGIN = ("--plugin", "tracing")


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with Collector() as running:
        yield running


@pytest.fixture(scope="module")
def worker(collector: Collector, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlatformProcess]:
    """The worker of a platform that traces. It needs nothing for that itself."""
    with Deployment(tmp_path_factory.mktemp("traced"), "push") as deployment:
        deployment.gateway(*PLUGIN, environment=collector.environment)
        deployment.dispatcher(*PLUGIN, environment=collector.environment)
        worker = deployment.worker(1)
        deployment.start()
        worker.url = deployment.url
        yield worker


@pytest.fixture(scope="module")
def client(worker: PlatformProcess) -> Iterator[Client]:
    with Client(worker.url) as client:
        yield client


@contextmanager
def span(flags: int = 1) -> Iterator[int]:
    """The caller's; the id of its trace."""
    trace_id = random.getrandbits(127) | 1
    with use_span(NonRecordingSpan(SpanContext(trace_id, CALLER, False, TraceFlags(flags)))):
        yield trace_id


def tree(spans: list[Span]) -> list[str]:
    """Each span as the path from the caller's span."""
    by_id = {span.span_id: span for span in spans}

    def path(span: Span) -> str:
        if span.parent_id == f"{CALLER:016x}":
            return span.name
        return f"{path(by_id[span.parent_id])}/{span.name}"

    return sorted(map(path, spans))


SUBMITTED = ["submit", "task"]
QUEUED, ATTEMPT, RUNNING = "task/queued", "task/attempt", "task/attempt/running"


def own_span() -> str:
    return os.environ["TRACEPARENT"]


def test_one_trace_from_the_caller_to_the_function(client: Client, collector: Collector) -> None:
    before = time.time_ns()
    with span() as trace_id:
        traceparent = client.run(own_span)
    spans = collector.of(trace_id, 5)
    assert tree(spans) == sorted([*SUBMITTED, QUEUED, ATTEMPT, RUNNING])
    named = {span.name: span for span in spans}
    assert traceparent == f"00-{trace_id:032x}-{named['running'].span_id}-01"
    assert not any(span.is_error for span in spans)
    assert all(before <= span.start <= span.end <= time.time_ns() for span in spans)
    assert named["queued"].end == named["attempt"].start
    assert named["queued"].start == named["task"].start
    assert {span.name: span.service.removeprefix("mpcsfaas-") for span in spans} == {
        "submit": "gateway", "task": "dispatcher", "queued": "dispatcher", "attempt": "dispatcher", "running": "worker",
    }  # fmt: skip
    attributes = named["running"].attributes
    assert attributes["mpcsfaas.worker.id"].startswith("local/")
    assert (attributes["mpcsfaas.attempt.number"], attributes["mpcsfaas.attempt.outcome"]) == (1, "completed")
    assert named["submit"].attributes["http.response.status_code"] == 200
    assert len({span.attributes["mpcsfaas.task.id"] for span in spans}) == 1


def test_each_task_of_a_batch_is_part_of_its_own_trace(client: Client, collector: Collector) -> None:
    def submit() -> int:
        with span() as trace_id:
            handles.append(client.submit(len, "abc"))
        return trace_id

    handles = []  # type: ignore[var-annotated]
    traces = [submit(), submit()]
    with span() as third:
        assert list(client.map(len, ["a", "bc"])) == [1, 2]
    for trace_id in traces:
        assert tree(collector.of(trace_id, 5)) == sorted([*SUBMITTED, QUEUED, ATTEMPT, RUNNING])
    assert tree(collector.of(third, 10)) == sorted(2 * [*SUBMITTED, QUEUED, ATTEMPT, RUNNING])


def test_a_client_of_the_original_system_sends_a_header(client: Client, collector: Collector) -> None:
    import dill

    from mpcsfaas.gateway.base64_text import encode

    function = client.register(len)
    body = {"function_id": function, "payload": encode(dill.dumps((("abc",), {})))}
    with span() as trace_id:
        headers = {"traceparent": f"00-{trace_id:032x}-{CALLER:016x}-01"}
        assert httpx.post(f"{client.url}/execute_function", json=body, headers=headers).status_code == 200
    assert tree(collector.of(trace_id, 5)) == sorted([*SUBMITTED, QUEUED, ATTEMPT, RUNNING])


def test_a_retry_is_another_attempt_and_the_failure_is_told(client: Client, collector: Collector) -> None:
    def fail() -> None:
        raise ValueError("no")

    with span() as trace_id, pytest.raises(ValueError, match="no"):
        client.with_options(max_retries=1, retry_delay=0).run(fail)
    spans = collector.of(trace_id, 8)
    assert tree(spans) == sorted([*SUBMITTED, *2 * [QUEUED, ATTEMPT, RUNNING]])
    running = [span for span in spans if span.name == "running"]
    assert [span.attributes["mpcsfaas.attempt.number"] for span in running] == [1, 2]
    assert {span.attributes["mpcsfaas.failure.kind"] for span in running} == {"exception"}
    assert {span.attributes["error.type"] for span in running} == {"ValueError"}
    assert [span.name for span in spans if not span.is_error] == ["submit", "queued", "queued"]


def test_a_lost_worker_is_an_attempt_that_failed(worker: PlatformProcess, client: Client, collector: Collector) -> None:
    def wait(path: str) -> None:
        import pathlib
        import time

        if not pathlib.Path(path).exists():
            pathlib.Path(path).touch()
            time.sleep(60)

    begun = worker.folder / "begun"
    with span() as trace_id:
        handle = client.submit(wait, str(begun))
    wait_until(begun.exists, 20)
    worker.kill()
    url = worker.url
    worker.start()
    worker.url = url
    handle.result(timeout=30)
    spans = collector.of(trace_id, 7)
    outcomes = [span.attributes["mpcsfaas.attempt.outcome"] for span in spans if span.name == "attempt"]
    assert outcomes == ["worker_lost", "completed"]
    (running,) = (span for span in spans if span.name == "running")
    assert running.attributes["mpcsfaas.attempt.number"] == 2
    assert tree(spans) == sorted([*SUBMITTED, *2 * [QUEUED, ATTEMPT], RUNNING])


def test_a_task_that_is_cancelled_in_the_queue_ends_there(client: Client, collector: Collector) -> None:
    with span() as trace_id:
        handle = client.with_options(delay=60).submit(len, "abc")
    assert handle.cancel()
    spans = collector.of(trace_id, 3)
    assert tree(spans) == [*SUBMITTED, QUEUED]
    assert next(span for span in spans if span.name == "task").attributes["mpcsfaas.task.state"] == "CANCELLED"


def test_what_is_refused_is_told_too(client: Client, collector: Collector) -> None:
    with span() as trace_id:
        headers = {"traceparent": f"00-{trace_id:032x}-{CALLER:016x}-01"}
        body = {"function_id": "00000000-0000-0000-0000-000000000000"}
        assert httpx.post(f"{client.url}/v1/tasks", json=body, headers=headers).status_code == 404
    (submit,) = collector.of(trace_id, 1)
    assert (submit.name, submit.is_error, submit.attributes["http.response.status_code"]) == ("submit", True, 404)


def test_nothing_is_told_of_what_is_not_sampled_or_not_traced(client: Client, collector: Collector) -> None:
    with span(flags=0) as unsampled:
        assert client.run(own_span).endswith("-00")
    untraced = client.submit(len, "abc")
    assert untraced.result(timeout=30) == 3
    with span() as later:
        client.run(len, "abc")
    collector.of(later, 5)
    told = {(span.trace_id, span.attributes["mpcsfaas.task.id"]) for span in collector.spans}
    assert not [one for one in told if one[0] == f"{unsampled:032x}" or one[1] == untraced.id]


def test_in_one_process_and_with_what_is_left_at_its_end(collector: Collector, tmp_path: Path) -> None:
    environment = collector.environment | {"OTEL_BSP_SCHEDULE_DELAY": "60000"}
    with (
        PlatformProcess(tmp_path, *PLUGIN, "-w", "1", environment=environment) as platform,
        Client(platform.url) as client,
        span() as trace_id,
        pytest.raises(TaskFailed),
    ):
        client.run(os._exit, 3)
    spans = collector.of(trace_id, 5)
    assert tree(spans) == sorted([*SUBMITTED, *4 * [QUEUED, ATTEMPT, RUNNING]])
    outcomes = [span.attributes["mpcsfaas.attempt.outcome"] for span in spans if span.name == "attempt"]
    assert outcomes == ["crashed"] * 4


def test_without_its_library_it_is_listed_with_the_command_that_installs_it() -> None:
    script = """
import sys
sys.modules["opentelemetry.sdk.trace"] = None
from mpcsfaas.plugins import catalogue
[info] = [info for info in catalogue() if info.name == "tracing"]
print(info.status, info.reason)
"""
    output = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert output.stdout.startswith("broken")
    assert "pip install 'mpcsfaas[tracing]'" in output.stdout


def test_without_the_plugin_nothing_of_it_is_imported() -> None:
    script = "import sys, mpcsfaas.gateway.app, mpcsfaas.cli.serving; print(*sys.modules)"
    output = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert "opentelemetry.sdk" not in output.stdout
    assert "mpcsfaas_tracing" not in output.stdout
