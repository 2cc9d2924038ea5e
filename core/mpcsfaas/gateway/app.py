"""The gateway as an ASGI application."""

import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from functools import partial

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline

from mpcsfaas import __version__
from mpcsfaas.gateway import openapi, problems
from mpcsfaas.gateway.auth import Door, Keyring
from mpcsfaas.gateway.auth.audit import AuditLog
from mpcsfaas.gateway.context import Gateway
from mpcsfaas.gateway.guard import Guard, HostNames
from mpcsfaas.gateway.routes import classic, functions, groups, platform, results, tasks
from mpcsfaas.gateway.routing import Shortcut
from mpcsfaas.gateway.settings import GatewaySettings
from mpcsfaas.gateway.tenants import Gateways
from mpcsfaas.interfaces import Serializer, Storage

logger = logging.getLogger("mpcsfaas.gateway")

DESCRIPTION = """
Register Python functions, execute them on workers, fetch the results. Bodies are JSON or, under `/v1`, msgpack
(`application/x-msgpack`), in which binary fields are bytes rather than base64 text. Errors are RFC 9457 problems.
"""

OPEN = (
    "THIS GATEWAY IS OPEN: it asks nobody for a key, so whoever reaches it can run any code on every worker, and read"
    " every task. It was started with --insecure-open-to-network; leave that out to close it."
)

Surroundings = Callable[[], AbstractAsyncContextManager[None]]


def create_app(
    storage: Storage,
    serializers: Sequence[Serializer],
    settings: GatewaySettings,
    surroundings: Surroundings = nullcontext,
) -> FastAPI:
    """A gateway over `storage`, which the caller opens before the first request and closes after the last.

    `surroundings` is entered at the application's start and left at its end, for a server that knows no other place to
    open and close a storage.
    """
    gateway = Gateway.build(storage, serializers, settings)
    log = AuditLog(settings.audit_log) if settings.audit_log else None

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        if settings.open_to_network:
            logger.warning(OPEN)
        async with surroundings():
            yield
            await gateway.hub.close()
            if log:
                log.close()

    app = FastAPIOffline(
        title="MPCSFaaS",
        version=__version__,
        description=DESCRIPTION,
        lifespan=lifespan,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.gateway = gateway
    app.state.page = platform.welcome_page
    problems.install(app)
    for subject in (tasks, results, groups, functions, classic, platform):
        # Not include_router, which would look for each request's route twice: a third of the cost of a request.
        app.router.routes.extend(subject.router.routes)
    app.add_middleware(Shortcut, routes=app.router.routes)
    door = Door(
        Keyring(storage.list_keys), open_to_network=settings.open_to_network, require_keys=settings.require_keys
    )
    app.add_middleware(
        Guard,
        hosts=HostNames(settings.allowed_hosts),
        door=door,
        gateways=Gateways(gateway),
        max_body=settings.max_body,
        audit=partial(log.request, is_forwarded=settings.behind_proxy) if log else None,
    )
    openapi.document(app)
    return app
