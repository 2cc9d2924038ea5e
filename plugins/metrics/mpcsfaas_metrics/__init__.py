"""`metrics`: what Prometheus reads of the platform, at a gateway's `/metrics` and a dispatcher's `--metrics-port`."""

try:
    import prometheus_client  # noqa: F401
except ImportError as error:
    raise ImportError("it needs prometheus-client; install it with: pip install 'mpcsfaas[metrics]'") from error

from fastapi import FastAPI

from mpcsfaas.hookspecs import hookimpl
from mpcsfaas.interfaces import Storage
from mpcsfaas.model import DispatcherInfo, State
from mpcsfaas_metrics.dispatcher import DispatcherFigures, MetricsOptions
from mpcsfaas_metrics.endpoint import add_metrics

MPCSFAAS_API_VERSION = 1
Options = MetricsOptions

figures = DispatcherFigures()
"""Of this process."""


@hookimpl
def mpcsfaas_gateway_routes(app: FastAPI, storage: Storage) -> None:
    """Add `/metrics`, and count requests."""
    add_metrics(app, storage)


@hookimpl
def mpcsfaas_dispatcher_starts(options: MetricsOptions) -> None:
    """Answer at the port that was chosen, if any."""
    figures.serve(options)


@hookimpl
def mpcsfaas_tasks_changed(task_ids: list[str], state: State) -> None:
    """Count them."""
    figures.tasks_changed(len(task_ids), state)


@hookimpl
def mpcsfaas_workers_changed(dispatcher: DispatcherInfo) -> None:
    """Count them, and those that went."""
    figures.workers_changed(dispatcher)
