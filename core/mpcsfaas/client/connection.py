"""Where operations meet the network, by blocking calls; and what that has in common with `async_connection`."""

import os
import socket
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from mpcsfaas.client.errors import GatewayUnavailable
from mpcsfaas.client.exchange import MSGPACK, Request, Response
from mpcsfaas.client.following import Follower
from mpcsfaas.client.operations import Operation
from mpcsfaas.client.records import ResultItem

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")

CONNECT_TIMEOUT = 5.0
MAX_CONNECTIONS = 64
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


class Connection:
    """Performs operations by blocking calls. Thread-safe; a forked process gets sockets of its own."""

    def __init__(self, url: str, timeout: float) -> None:
        self.url = checked_url(url)
        self.timeout = timeout
        self._pools: dict[int, httpx.Client] = {}

    @property
    def http(self) -> "httpx.Client":
        """The pool of connections of this process; made when first needed, because httpx takes long to import."""
        pool = self._pools.get(os.getpid())
        if pool is None:
            import httpx

            # Threads may come here at once; a lock, on the other hand, might be held while another thread forks.
            pool = self._pools.setdefault(os.getpid(), httpx.Client(**http_settings(self.url, self.timeout)))
        return pool

    def perform(self, operation: Operation[T]) -> T:
        """Run an operation to its end; its result. Raises what it raises."""
        try:
            request = next(operation)
            while True:
                try:
                    response = self._exchange(request)
                except GatewayUnavailable as error:
                    request = operation.throw(error)
                else:
                    request = operation.send(response)
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return]

    def _exchange(self, request: Request) -> Response:
        import httpx

        if request.delay:
            time.sleep(request.delay)
        try:
            return response_of(self.http.request(**http_arguments(request, self.timeout)))
        except httpx.TransportError as error:
            raise unavailable(self.url, error) from None

    def close(self) -> None:
        """Close the sockets. Idempotent."""
        pool = self._pools.get(os.getpid())
        if pool is not None:
            pool.close()


class ResultStream:
    """The results of a group as they come; that ends only by `stop` or an error.

    Each turn gives the results that are new, maybe none; there is one right after each connection was made.
    `interruptions` counts how often that failed or broke.
    """

    def __init__(self, connection: Connection, follower: Follower) -> None:
        self.interruptions = 0
        self._connection = connection
        self._follower = follower
        self._socket: socket.socket | None = None
        self._stopping = threading.Event()

    def turns(self) -> Generator[list[ResultItem]]:
        """Iterate. Raises `GatewayError` when the follower's patience is at its end, or the gateway refuses."""
        while not self._stopping.is_set():
            try:
                yield from self._read()
            except GatewayUnavailable as error:
                self.interruptions += 1
                if not self._stopping.is_set():
                    self._follower.lost(error)

    def _read(self) -> Iterator[list[ResultItem]]:
        import httpx

        request = self._follower.request()
        self._stopping.wait(request.delay)
        try:
            with self._connection.http.stream(**http_arguments(request, 0.0)) as response:
                self._follower.opened(head_of(response, b"" if response.is_success else response.read()))
                self._socket = response.extensions["network_stream"].get_extra_info("socket")
                yield []
                if self._stopping.is_set():
                    return
                for data in response.iter_raw():
                    yield self._follower.received(data)
            raise GatewayUnavailable(f"The gateway at {self._connection.url} ended the stream of results.")
        except httpx.TransportError as error:
            raise unavailable(self._connection.url, error) from None

    @property
    def after(self) -> int:
        """The sequence of the last result received."""
        return self._follower.after

    def stop(self) -> None:
        """End the iteration, from any thread."""
        self._stopping.set()
        if self._socket is not None:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)


def checked_url(url: str) -> str:
    """The URL without a slash at its end. Raises `ValueError` for what is no HTTP URL."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{url!r} is no URL of a gateway. Write http://HOST:PORT, for example http://127.0.0.1:8000.")
    return url.rstrip("/")


def http_settings(url: str, timeout: float) -> dict[str, Any]:
    """How httpx is to be set up. Proxies and certificates are left alone where they play no part: that saves 20 ms."""
    import httpx

    return {
        "base_url": url,
        "headers": {"Accept": MSGPACK, "Content-Type": MSGPACK, "Accept-Encoding": "identity"},
        "limits": httpx.Limits(max_connections=None, max_keepalive_connections=MAX_CONNECTIONS),
        "timeout": httpx.Timeout(timeout, connect=min(timeout, CONNECT_TIMEOUT)),
        "verify": url.startswith("https:"),
        "trust_env": urlsplit(url).hostname not in LOOPBACK,
    }


def http_arguments(request: Request, timeout: float) -> dict[str, Any]:
    """How httpx wants a request."""
    import httpx

    return {
        "method": request.method,
        "url": request.path,
        "content": request.body,
        "params": request.params,
        "timeout": httpx.Timeout(timeout + request.wait, connect=CONNECT_TIMEOUT),
    }


def response_of(response: "httpx.Response") -> Response:
    """An answer whose body has been read."""
    return head_of(response, response.content)


def head_of(response: "httpx.Response", content: bytes) -> Response:
    """An answer with `content` in the place of its body."""
    headers = response.headers
    return Response(
        response.status_code, content, headers.get("Content-Type", ""), _seconds(headers.get("Retry-After"))
    )


def _seconds(text: str | None) -> float | None:
    """Retry-After may be a date, too; then we choose ourselves."""
    try:
        return None if text is None else float(text)
    except ValueError:
        return None


def unavailable(url: str, error: Exception) -> GatewayUnavailable:
    """What a broken connection means to callers."""
    cause = str(error) or type(error).__name__
    return GatewayUnavailable(
        f"The gateway at {url} cannot be reached: {cause}."
        " Start one with `mpcsfaas up`, or pass its URL or set MPCSFAAS_URL."
    )
