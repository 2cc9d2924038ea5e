"""Where operations meet the network, by asyncio."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from mpcsfaas.client.connection import (
    CONNECT_TIMEOUT,
    LOOPBACK,
    checked_url,
    headers_with,
    response_of,
    target_of,
    unavailable,
)
from mpcsfaas.client.errors import GatewayUnavailable
from mpcsfaas.client.exchange import Request, Response
from mpcsfaas.client.following import Follower
from mpcsfaas.client.operations import Operation
from mpcsfaas.client.records import ResultItem

if TYPE_CHECKING:
    import aiohttp

T = TypeVar("T")


class AsyncConnection:
    """Performs operations on the running event loop."""

    def __init__(self, url: str, timeout: float, key: str | None = None) -> None:
        self.url = checked_url(url)
        self._headers = headers_with(key)
        self.timeout = timeout
        self._http: aiohttp.ClientSession | None = None

    @property
    def http(self) -> "aiohttp.ClientSession":
        """The pool of connections."""
        if self._http is None:
            import aiohttp

            self._http = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0),
                headers=self._headers,
                auto_decompress=False,
                trust_env=urlsplit(self.url).hostname not in LOOPBACK,
            )
        return self._http

    async def perform(self, operation: Operation[T]) -> T:
        """Run an operation to its end; its result. Raises what it raises."""
        try:
            request = next(operation)
            while True:
                try:
                    response = await self._exchange(request)
                except GatewayUnavailable as error:
                    request = operation.throw(error)
                else:
                    request = operation.send(response)
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return]

    async def _exchange(self, request: Request) -> Response:
        import aiohttp

        if request.delay:
            await asyncio.sleep(request.delay)
        try:
            async with self.send(request, self.timeout) as response:
                return response_of(response.status, response.headers, await response.read())
        except (aiohttp.ClientError, TimeoutError) as error:
            raise unavailable(self.url, error) from None

    def send(self, request: Request, timeout: float) -> "AbstractAsyncContextManager[aiohttp.ClientResponse]":
        """Send a request; its answer, whose body is yet to be read. Raises `aiohttp.ClientError` or `TimeoutError`.

        Silence for `timeout` seconds, beyond what the request lets the gateway wait, is an error.
        """
        import aiohttp
        from yarl import URL

        patience = aiohttp.ClientTimeout(sock_connect=CONNECT_TIMEOUT, sock_read=timeout + request.wait)
        return self.http.request(
            request.method,
            URL(self.url + target_of(request), encoded=True),
            data=request.body,
            timeout=patience,
            allow_redirects=False,
        )

    async def close(self) -> None:
        """Close the sockets. Idempotent."""
        if self._http is not None:
            await self._http.close()


class AsyncResultStream:
    """The asyncio twin of `ResultStream`; to stop it, close the iterator."""

    def __init__(self, connection: AsyncConnection, follower: Follower) -> None:
        self.interruptions = 0
        self._connection = connection
        self._follower = follower

    async def turns(self) -> AsyncGenerator[list[ResultItem]]:
        """As `ResultStream.turns`."""
        while True:
            try:
                async for items in self._read():
                    yield items
            except GatewayUnavailable as error:
                self.interruptions += 1
                self._follower.lost(error)

    async def _read(self) -> AsyncIterator[list[ResultItem]]:
        import aiohttp

        request = self._follower.request()
        await asyncio.sleep(request.delay)
        try:
            async with self._connection.send(request, 0.0) as response:
                content = b"" if response.status == 200 else await response.read()
                self._follower.opened(response_of(response.status, response.headers, content))
                yield []
                async for data in response.content.iter_any():
                    yield self._follower.received(data)
            raise GatewayUnavailable(f"The gateway at {self._connection.url} ended the stream of results.")
        except (aiohttp.ClientError, TimeoutError) as error:
            raise unavailable(self._connection.url, error) from None
