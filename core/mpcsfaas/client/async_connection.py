"""Where operations meet the network, by asyncio."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import TYPE_CHECKING, TypeVar

from mpcsfaas.client.connection import (
    checked_url,
    head_of,
    http_arguments,
    http_settings,
    response_of,
    unavailable,
)
from mpcsfaas.client.errors import GatewayUnavailable
from mpcsfaas.client.exchange import Request, Response
from mpcsfaas.client.following import Follower
from mpcsfaas.client.operations import Operation
from mpcsfaas.client.records import ResultItem

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")


class AsyncConnection:
    """Performs operations on the running event loop."""

    def __init__(self, url: str, timeout: float) -> None:
        self.url = checked_url(url)
        self.timeout = timeout
        self._http: httpx.AsyncClient | None = None

    @property
    def http(self) -> "httpx.AsyncClient":
        """The pool of connections."""
        if self._http is None:
            import httpx

            self._http = httpx.AsyncClient(**http_settings(self.url, self.timeout))
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
        import httpx

        if request.delay:
            await asyncio.sleep(request.delay)
        try:
            return response_of(await self.http.request(**http_arguments(request, self.timeout)))
        except httpx.TransportError as error:
            raise unavailable(self.url, error) from None

    async def close(self) -> None:
        """Close the sockets. Idempotent."""
        if self._http is not None:
            await self._http.aclose()


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
        import httpx

        request = self._follower.request()
        await asyncio.sleep(request.delay)
        try:
            async with self._connection.http.stream(**http_arguments(request, 0.0)) as response:
                self._follower.opened(head_of(response, b"" if response.is_success else await response.aread()))
                yield []
                async for data in response.aiter_raw():
                    yield self._follower.received(data)
            raise GatewayUnavailable(f"The gateway at {self._connection.url} ended the stream of results.")
        except httpx.TransportError as error:
            raise unavailable(self._connection.url, error) from None
