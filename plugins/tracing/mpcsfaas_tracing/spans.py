"""What the life of a task looks like as spans. Pure: their ids follow from the task, so nobody need remember any.

The caller's span has two children: `submit`, which the gateway makes of its request, and `task`, from acceptance to
end. Below `task` are, for each attempt, `queued` and `attempt`, and below that `running`, the parent of the function's
own spans.
"""

from collections.abc import Iterator, Mapping
from functools import lru_cache

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from mpcsfaas import __version__
from mpcsfaas.model import AttemptRecord, Failure, State, TaskRecord
from mpcsfaas.trace_context import derived_span_id, is_sampled, running_span_id, span_id, trace_id

SCOPE = InstrumentationScope("mpcsfaas", __version__)
OK = Status(StatusCode.OK)
Attributes = Mapping[str, str | int]


@lru_cache(1024)
def service(name: str, instance: str = "") -> Resource:
    """Who did it. More of it may come from `OTEL_RESOURCE_ATTRIBUTES`."""
    return Resource.create(
        {"service.name": f"mpcsfaas-{name}", **({"service.instance.id": instance} if instance else {})}
    )


class Trace:
    """The spans of one task."""

    def __init__(self, traceparent: str, task_id: str) -> None:
        self._trace_id = int(trace_id(traceparent), 16)
        self._flags = TraceFlags(int(traceparent[53:55], 16))
        self.caller = span_id(traceparent)
        self._task_id = task_id
        self.is_wanted = is_sampled(traceparent)

    def span(
        self,
        name: str,
        identity: str,
        parent: str,
        start: float,
        end: float,
        resource: Resource,
        attributes: Attributes,
        status: Status = OK,
        kind: SpanKind = SpanKind.INTERNAL,
    ) -> ReadableSpan:
        """A span; `start` and `end` are in seconds since the epoch, by clocks that may differ."""
        return ReadableSpan(
            name,
            self._context(identity),
            self._context(parent, is_remote=True),
            resource,
            {"mpcsfaas.task.id": self._task_id, **attributes},
            kind=kind,
            status=status,
            start_time=int(start * 1e9),
            end_time=int(max(start, end) * 1e9),
            instrumentation_scope=SCOPE,
        )

    def _context(self, identity: str, is_remote: bool = False) -> SpanContext:
        return SpanContext(self._trace_id, int(identity, 16), is_remote, self._flags)


def spans_of(record: TaskRecord) -> list[ReadableSpan]:
    """Those of a task that has ended; none of one that is not traced, or not to be kept."""
    if record.options.traceparent is None:
        return []
    trace = Trace(record.options.traceparent, record.id)
    return list(_spans(trace, record)) if trace.is_wanted else []


def _spans(trace: Trace, record: TaskRecord) -> Iterator[ReadableSpan]:
    whole = derived_span_id("task", record.id)
    end = record.finished_at or record.created_at
    yield trace.span(
        "task", whole, trace.caller, record.created_at, end, service("dispatcher"), _of_task(record), _end_of(record)
    )
    since = record.created_at
    for attempt in record.history:
        yield _queued(trace, whole, attempt.number, since, attempt.claimed_at)
        yield from _attempt(trace, whole, record.id, attempt)
        since = attempt.finished_at
    if record.state is State.CANCELLED and record.attempt == len(record.history):
        yield _queued(trace, whole, record.attempt + 1, since, end)


def _queued(trace: Trace, whole: str, number: int, start: float, end: float) -> ReadableSpan:
    identity = derived_span_id("queued", whole, number)
    return trace.span("queued", identity, whole, start, end, service("dispatcher"), {"mpcsfaas.attempt.number": number})


def _attempt(trace: Trace, whole: str, task_id: str, attempt: AttemptRecord) -> Iterator[ReadableSpan]:
    identity = derived_span_id("attempt", task_id, attempt.number)
    attributes = _of_attempt(attempt)
    status, start, end = _status(attempt.failure), attempt.claimed_at, attempt.finished_at
    yield trace.span("attempt", identity, whole, start, end, service("dispatcher"), attributes, status)
    if attempt.started_at:
        running = running_span_id(task_id, attempt.number)
        worker = service("worker", attempt.worker)
        yield trace.span(
            "running", running, identity, attempt.started_at, end, worker, attributes, status, SpanKind.CONSUMER
        )


def _of_task(record: TaskRecord) -> Attributes:
    attributes: dict[str, str | int] = {
        "mpcsfaas.function.id": record.function_id,
        "mpcsfaas.task.state": record.state.value,
        "mpcsfaas.task.attempts": record.attempt,
    }
    if record.options.group:
        attributes["mpcsfaas.task.group"] = record.options.group
    return attributes | _of_failure(record.failure)


def _of_attempt(attempt: AttemptRecord) -> Attributes:
    outcome = attempt.failure.kind.value if attempt.failure else "completed"
    attributes: dict[str, str | int] = {"mpcsfaas.attempt.number": attempt.number, "mpcsfaas.attempt.outcome": outcome}
    if attempt.worker:
        attributes["mpcsfaas.worker.id"] = attempt.worker
    return attributes | _of_failure(attempt.failure)


def _of_failure(failure: Failure | None) -> dict[str, str | int]:
    if failure is None:
        return {}
    return {"mpcsfaas.failure.kind": failure.kind.value, "error.type": failure.type or failure.kind.value}


def _status(failure: Failure | None) -> Status:
    return Status(StatusCode.ERROR, failure.message) if failure else OK


def _end_of(record: TaskRecord) -> Status:
    return Status(StatusCode.UNSET) if record.state is State.CANCELLED else _status(record.failure)
