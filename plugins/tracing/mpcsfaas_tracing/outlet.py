"""The way out: spans are sent in batches by a thread, as OpenTelemetry's own variables (`OTEL_…`) have it."""

import atexit
import os
from collections.abc import Iterable
from functools import cache

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.environment_variables import OTEL_BSP_MAX_QUEUE_SIZE
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor

QUEUE_SIZE = 65_536
"""Spans that wait to be sent, unless the variable says otherwise: many tasks end at once. What is beyond is dropped."""


class Outlet:
    """Takes spans and never blocks. What is left at the end of the process is sent then."""

    def __init__(self) -> None:
        size = None if OTEL_BSP_MAX_QUEUE_SIZE in os.environ else QUEUE_SIZE
        self._processor = BatchSpanProcessor(OTLPSpanExporter(), max_queue_size=size)
        atexit.register(self._processor.shutdown)

    def add(self, spans: Iterable[ReadableSpan]) -> None:
        """Have these sent."""
        for span in spans:
            self._processor.on_end(span)


@cache
def the_outlet() -> Outlet:
    """This process's."""
    return Outlet()
