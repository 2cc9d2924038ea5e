"""Where operations meet the network, by blocking calls; and what that has in common with `async_connection`."""

import os
import threading
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlencode, urlsplit
from urllib.request import getproxies, proxy_bypass

from mpcsfaas.client.errors import GatewayUnavailable
from mpcsfaas.client.exchange import MSGPACK, Request, Response
from mpcsfaas.client.following import Follower
from mpcsfaas.client.operations import Operation
from mpcsfaas.client.records import ResultItem

if TYPE_CHECKING:
    import urllib3

T = TypeVar("T")

CONNECT_TIMEOUT = 5.0
MAX_CONNECTIONS = 64
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
HEADERS = {"Accept": MSGPACK, "Content-Type": MSGPACK, "Accept-Encoding": "identity"}


class Connection:
    """Performs operations by blocking calls. Thread-safe; a forked process gets sockets of its own."""

    def __init__(self, url: str, timeout: float, key: str | None = None) -> None:
        self.url = checked_url(url)
        self._headers = headers_with(key)
        self.timeout = timeout
        self._pools: dict[int, urllib3.PoolManager] = {}

    @property
    def http(self) -> "urllib3.PoolManager":
        """The pool of connections of this process; made when first needed, because urllib3 takes long to import."""
        pool = self._pools.get(os.getpid())
        if pool is None:
            # Threads may come here at once; a lock, on the other hand, might be held while another thread forks.
            pool = self._pools.setdefault(os.getpid(), _new_pool(self.url))
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
        if request.delay:
            time.sleep(request.delay)
        response = self.send(request, self.timeout)
        return response_of(response.status, response.headers, response.data)

    def send(self, request: Request, timeout: float, preload: bool = True) -> "urllib3.BaseHTTPResponse":
        """Send a request; its answer, with the body if `preload`. Raises `GatewayUnavailable`.

        Silence for `timeout` seconds, beyond what the request lets the gateway wait, is an error.
        """
        import urllib3

        try:
            return self.http.request(
                request.method,
                self.url + target_of(request),
                body=request.body,
                headers=self._headers,
                timeout=urllib3.Timeout(min(timeout or CONNECT_TIMEOUT, CONNECT_TIMEOUT), timeout + request.wait),
                retries=False,
                redirect=False,
                preload_content=preload,
            )
        except urllib3.exceptions.HTTPError as error:
            raise unavailable(self.url, error) from None

    def close(self) -> None:
        """Close the sockets. Idempotent."""
        pool = self._pools.get(os.getpid())
        if pool is not None:
            pool.clear()


class ResultStream:
    """The results of a group as they come; that ends only by `stop` or an error.

    Each turn gives the results that are new, maybe none; there is one right after each connection was made.
    `interruptions` counts how often that failed or broke.
    """

    def __init__(self, connection: Connection, follower: Follower) -> None:
        self.interruptions = 0
        self._connection = connection
        self._follower = follower
        self._response: urllib3.BaseHTTPResponse | None = None
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
        import urllib3

        request = self._follower.request()
        self._stopping.wait(request.delay)
        response = self._connection.send(request, 0.0, preload=False)
        try:
            head = response_of(response.status, response.headers, b"" if response.status == 200 else response.data)
            self._follower.opened(head)
            self._response = response
            yield []
            if self._stopping.is_set():
                return
            for data in response.stream():
                yield self._follower.received(data)
            raise GatewayUnavailable(f"The gateway at {self._connection.url} ended the stream of results.")
        except urllib3.exceptions.HTTPError as error:
            raise unavailable(self._connection.url, error) from None
        finally:
            response.close()

    @property
    def after(self) -> int:
        """The sequence of the last result received."""
        return self._follower.after

    def stop(self) -> None:
        """End the iteration, from any thread."""
        self._stopping.set()
        if self._response is not None:
            with suppress(ValueError, OSError):  # It is closed already.
                self._response.shutdown()


def checked_url(url: str) -> str:
    """The URL without a slash at its end. Raises `ValueError` for what is no HTTP URL."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{url!r} is no URL of a gateway. Write http://HOST:PORT, for example http://127.0.0.1:8000.")
    if "@" in parts.netloc:
        raise ValueError("The URL of a gateway has a user or password in it, which no gateway takes. Pass `key`.")
    return url.rstrip("/")


def headers_with(key: str | None) -> dict[str, str]:
    """The headers of every request. Raises `ValueError`, without telling it, for what cannot be a key."""
    if key is None:
        return HEADERS
    if not key.isascii() or not key.isprintable() or " " in key or not key:
        raise ValueError("That is no API key: it has blanks or foreign characters. Copy it as it was shown.")
    return HEADERS | {"Authorization": f"Bearer {key}"}


def target_of(request: Request) -> str:
    """The path with its parameters, encoded."""
    return f"{request.path}?{urlencode(request.params)}" if request.params else request.path


def response_of(status: int, headers: Mapping[str, str], content: bytes) -> Response:
    """An answer as the operations see it."""
    return Response(status, content, headers.get("Content-Type", ""), _seconds(headers.get("Retry-After")))


def unavailable(url: str, error: Exception) -> GatewayUnavailable:
    """What a broken connection means to callers."""
    cause = str(error) or type(error).__name__
    return GatewayUnavailable(
        f"The gateway at {url} cannot be reached: {cause}."
        " Start one with `mpcsfaas up`, or pass its URL or set MPCSFAAS_URL."
    )


def _new_pool(url: str) -> "urllib3.PoolManager":
    import urllib3

    proxy = _proxy_of(url)
    if proxy:
        return urllib3.ProxyManager(proxy, num_pools=1, maxsize=MAX_CONNECTIONS)
    return urllib3.PoolManager(num_pools=1, maxsize=MAX_CONNECTIONS)


def _proxy_of(url: str) -> str | None:
    """The proxy that the environment names for a URL."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    return None if host in LOOPBACK or proxy_bypass(host) else getproxies().get(parts.scheme)


def _seconds(text: str | None) -> float | None:
    """Retry-After may be a date, too; then we choose ourselves."""
    try:
        return None if text is None else float(text)
    except ValueError:
        return None
