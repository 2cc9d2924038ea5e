"""Which trace the caller is in, if the program uses OpenTelemetry, which is never imported here."""

import sys

from mpcsfaas.trace_context import told_here


def current_traceparent() -> str | None:
    """The current span's context or, without one, that of the task that runs here."""
    trace = sys.modules.get("opentelemetry.trace")
    get_current_span = getattr(trace, "get_current_span", None)  # None while it is being imported.
    if get_current_span:
        context = get_current_span().get_span_context()
        if context.is_valid:
            return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"
    return told_here()
