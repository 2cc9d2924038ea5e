"""The gateway's share of a trace: a span for each traced task that a request submits."""

import time
from collections.abc import Iterator

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind, Status, StatusCode
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mpcsfaas.model import Task
from mpcsfaas.trace_context import CANCELLED, SUBMITTED, derived_span_id
from mpcsfaas_tracing.ended_tasks import EndedTasks
from mpcsfaas_tracing.outlet import Outlet
from mpcsfaas_tracing.spans import OK, Trace, service


class TracedRequests:
    """ASGI middleware around everything else."""

    def __init__(self, app: ASGIApp, outlet: Outlet, cancelled: EndedTasks) -> None:
        self._app = app
        self._outlet = outlet
        self._cancelled = cancelled

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["method"] not in ("POST", "DELETE"):
            await self._app(scope, receive, send)
            return
        start, status = time.time(), 500

        async def noting_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noting_send)
        finally:
            self._outlet.add(_spans(scope, start, status))
            if CANCELLED in scope:
                self._cancelled.add(scope[CANCELLED])


def _spans(scope: Scope, start: float, status: int) -> Iterator[ReadableSpan]:
    tasks: list[Task] = scope.get(SUBMITTED, [])
    end = time.time()
    for task in tasks:
        assert task.options.traceparent
        trace = Trace(task.options.traceparent, task.id)
        if trace.is_wanted:
            yield _span(trace, task, scope, start, end, status)


def _span(trace: Trace, task: Task, scope: Scope, start: float, end: float, status: int) -> ReadableSpan:
    attributes: dict[str, str | int] = {
        "mpcsfaas.function.id": task.function_id,
        "http.request.method": scope["method"],
        "url.path": scope["path"],
        "http.response.status_code": status,
    }
    verdict = OK if status < 400 else Status(StatusCode.ERROR, f"HTTP {status}")
    identity = derived_span_id("submit", task.id)
    return trace.span(
        "submit", identity, trace.caller, start, end, service("gateway"), attributes, verdict, SpanKind.SERVER
    )
