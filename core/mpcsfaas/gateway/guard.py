"""What every request must pass before it reaches a route, and what catches whatever a route lets through.

The Host header and the content type of writes are demanded so that no web page can reach a gateway on its reader's
machine: DNS rebinding gives itself away by the name, and a page cannot send JSON elsewhere without asking (CORS).
"""

import ipaddress
import socket
from collections.abc import Callable, Iterable

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mpcsfaas.errors import StorageUnavailable
from mpcsfaas.gateway import problems
from mpcsfaas.gateway.auth import ApiKey, Door
from mpcsfaas.gateway.bodies import MEDIA_TYPES, media_type
from mpcsfaas.gateway.tenants import Gateways

Audit = Callable[[Scope, ApiKey | None, int], None]

WRITES = frozenset({"POST", "PUT", "PATCH"})
ANY_HOST = "*"


class HostNames:
    """The names by which a gateway may be addressed.

    These are localhost, this machine's name, loopback addresses, the address that the connection came in on, and
    whatever else is allowed.
    """

    def __init__(self, allowed: Iterable[str]) -> None:
        self._names = {"localhost", socket.gethostname().lower(), *(name.lower() for name in allowed)}

    def allow(self, host_header: str, local_address: str) -> bool:
        """True if a request with this Host header is meant for this gateway."""
        if ANY_HOST in self._names:
            return True
        name = _without_port(host_header).lower()
        return bool(name) and (name in self._names or name == local_address or _is_loopback(name))


class Guard:
    """ASGI middleware: Host, sender, content type and size of requests; unexpected errors."""

    def __init__(
        self, app: ASGIApp, hosts: HostNames, door: Door, gateways: Gateways, max_body: int, audit: Audit | None = None
    ) -> None:
        self._app = app
        self._hosts = hosts
        self._door = door
        self._gateways = gateways
        self._max_body = max_body
        self._audit = audit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse it with a problem."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = _Answer(send, self._door)
        try:
            self._check_host(scope)
            answer.key = scope["api_key"] = key = await self._door.admit(scope)
            scope["gateway"] = self._gateways.of(key)
            await self._app(scope, self._body_of(scope, receive, key), answer.send)
        except ClientDisconnect:
            return
        except Exception as error:
            problem = problems.problem_of(error)
            if answer.status:
                raise
            answer.status = problem.status_code
            await problem.response()(scope, receive, send)
        finally:
            if self._audit:
                self._audit(scope, answer.key, answer.status)

    def _check_host(self, scope: Scope) -> None:
        host = Headers(scope=scope).get("host", "")
        if not self._hosts.allow(host, (scope.get("server") or ("",))[0]):
            raise problems.misdirected(host)

    def _body_of(self, scope: Scope, receive: Receive, key: ApiKey | None) -> Receive:
        if scope["method"] not in WRITES:
            return receive
        headers = Headers(scope=scope)
        content_type = media_type(headers.get("content-type", ""))
        if content_type not in MEDIA_TYPES:
            raise problems.unsupported_media_type(content_type, MEDIA_TYPES)
        if int(headers.get("content-length", 0)) > self._max_body:
            raise problems.too_large("request body", self._max_body)
        return self._limited(receive, key)

    def _limited(self, receive: Receive, key: ApiKey | None) -> Receive:
        size = 0

        async def limited_receive() -> Message:
            nonlocal size
            message = await receive()
            length = len(message.get("body", b""))
            size += length
            if key:
                self._door.received(key, length)
            if size > self._max_body:
                raise problems.too_large("request body", self._max_body)
            return message

        return limited_receive


class _Answer:
    """Sends an answer for as long as its key is good."""

    def __init__(self, send: Send, door: Door) -> None:
        self.status = 0
        """0 before the answer begins."""
        self.key: ApiKey | None = None
        self._send = send
        self._door = door

    async def send(self, message: Message) -> None:
        # An answer of one piece that has begun is sent to its end.
        may_stop = message["type"] == "http.response.start" or message.get("more_body")
        if self.key and may_stop and not self._door.is_still_good(self.key):
            await self._look_again(self.key)
        if not self.status:
            self.status = message["status"]
        await self._send(message)

    async def _look_again(self, key: ApiKey) -> None:
        try:
            await self._door.look_again(key)
        except (problems.Problem, StorageUnavailable):
            if not self.status:
                raise
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})
            raise ClientDisconnect from None


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def _is_loopback(name: str) -> bool:
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
