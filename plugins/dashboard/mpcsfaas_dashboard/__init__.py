"""`dashboard`: a web page at a gateway's `/` that shows how the platform does."""

from fastapi import FastAPI

from mpcsfaas.hookspecs import hookimpl
from mpcsfaas.interfaces import Storage
from mpcsfaas_dashboard.routes import Dashboard
from mpcsfaas_dashboard.sharing import Observers

MPCSFAAS_API_VERSION = 1


@hookimpl
def mpcsfaas_gateway_routes(app: FastAPI, storage: Storage) -> None:
    """Add the page, its files, and what it reads."""
    Dashboard(storage, Observers()).add_to(app)
