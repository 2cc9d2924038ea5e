"""`metrics`: what Prometheus reads of the platform, at `/metrics` of a gateway."""

try:
    import prometheus_client  # noqa: F401
except ImportError as error:
    raise ImportError("it needs prometheus-client; install it with: pip install 'mpcsfaas[metrics]'") from error

from fastapi import FastAPI

from mpcsfaas.hookspecs import hookimpl
from mpcsfaas.interfaces import Storage
from mpcsfaas_metrics.endpoint import add_metrics

MPCSFAAS_API_VERSION = 1


@hookimpl
def mpcsfaas_gateway_routes(app: FastAPI, storage: Storage) -> None:
    """Add `/metrics`, and count requests."""
    add_metrics(app, storage)
