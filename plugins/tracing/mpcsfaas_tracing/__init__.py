"""`tracing`: the spans of traced tasks, sent to an OpenTelemetry collector by OTLP over HTTP."""

try:
    import opentelemetry.exporter.otlp.proto.http
    import opentelemetry.sdk.trace  # noqa: F401
except ImportError as error:
    raise ImportError("it needs OpenTelemetry; install it with: pip install 'mpcsfaas[tracing]'") from error

from fastapi import FastAPI

from mpcsfaas.hookspecs import hookimpl
from mpcsfaas.interfaces import Storage
from mpcsfaas.model import State
from mpcsfaas_tracing.ended_tasks import EndedTasks
from mpcsfaas_tracing.outlet import the_outlet
from mpcsfaas_tracing.requests import TracedRequests

MPCSFAAS_API_VERSION = 1

_ended: list[EndedTasks] = []
"""Of the dispatchers of this process."""


@hookimpl
def mpcsfaas_gateway_routes(app: FastAPI, storage: Storage) -> None:
    """Make spans of requests that submit, and of tasks that requests cancel."""
    cancelled = EndedTasks(storage, the_outlet(), {State.CANCELLED})
    app.add_middleware(TracedRequests, outlet=the_outlet(), cancelled=cancelled)


@hookimpl
def mpcsfaas_dispatcher_starts(storage: Storage) -> None:
    """Make spans of tasks that end here."""
    _ended[:] = [EndedTasks(storage, the_outlet(), {State.COMPLETED, State.FAILED})]


@hookimpl
def mpcsfaas_tasks_changed(task_ids: list[str], state: State) -> None:
    """Take note of those that ended."""
    if state.is_terminal:
        for ended in _ended:
            ended.add(task_ids)
