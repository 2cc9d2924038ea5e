"""How a gateway's requests are answered."""

from prometheus_client import CollectorRegistry, Counter
from starlette.types import ASGIApp, Message, Receive, Scope, Send

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class RequestCounts:
    """Answers by method and status: those from 400 on were rejected."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._answers = Counter(
            "mpcsfaas_requests", "Requests that were answered.", ["method", "status"], registry=registry
        )

    def count(self, method: str, status: int) -> None:
        """One more. What is no method has the label `other`, as anybody can make up many."""
        self._answers.labels(method if method in METHODS else "other", status).inc()


class CountedRequests:
    """ASGI middleware around everything else, so that what the guard refuses is counted, too."""

    def __init__(self, app: ASGIApp, counts: RequestCounts) -> None:
        self._app = app
        self._counts = counts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def counting_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._counts.count(scope["method"], message["status"])
            await send(message)

        await self._app(scope, receive, counting_send)
