"""How routes are called."""

import inspect
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

Endpoint = Callable[[Request], Coroutine[Any, Any, Response]]


class LeanRoute(APIRoute):
    """Calls an endpoint that takes nothing but the request directly: a fifth less work per request than FastAPI's way.

    It is documented like any other; but it gets no dependencies, and must answer with a `Response`.
    """

    @property
    def is_lean(self) -> bool:
        """True if the endpoint takes nothing but the request."""
        return list(inspect.signature(self.endpoint).parameters) == ["request"]

    def get_route_handler(self) -> Endpoint:
        """What is called with the request."""
        if self.is_lean:
            endpoint: Endpoint = self.endpoint
            return endpoint
        return super().get_route_handler()


class Shortcut:
    """ASGI middleware: requests for a lean route without path parameters go straight to its endpoint.

    Searching the routes and passing FastAPI's layers would cost as much as all the rest of a submission. What an
    endpoint raises is left to the middleware around this one.
    """

    def __init__(self, app: ASGIApp, routes: Iterable[BaseRoute]) -> None:
        self._app = app
        self._endpoints: dict[tuple[str, str], Endpoint] = {
            (method, route.path): route.endpoint
            for route in routes
            if isinstance(route, LeanRoute) and route.is_lean and not route.param_convertors
            for method in route.methods or ()
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        endpoint = self._endpoints.get((scope["method"], scope["path"])) if scope["type"] == "http" else None
        if endpoint is None:
            await self._app(scope, receive, send)
            return
        response = await endpoint(Request(scope, receive))
        await response(scope, receive, send)


def subject_router(subject: str, operations: str = "") -> APIRouter:
    """A router for the routes of one subject.

    The names of endpoints are the names of operations in clients that are generated, so they are kept; those that
    begin with `operations` are told from others of the same name by it.
    """

    def operation_id(route: APIRoute) -> str:
        first, *others = filter(None, [operations, *route.name.split("_")])
        return "".join([first, *map(str.capitalize, others)])

    return APIRouter(tags=[subject], route_class=LeanRoute, generate_unique_id_function=operation_id)
