"""Finds a platform on this machine, or starts one, for asyncio."""

import asyncio
import os
from typing import Any

from mpcsfaas.client.async_client import AsyncClient
from mpcsfaas.client.base import rebuild
from mpcsfaas.client.embedded import PlatformChild, find_running


class EmbeddedAsyncClient(AsyncClient):
    """As `EmbeddedClient`, for asyncio."""

    def __init__(self, platform: PlatformChild, **settings: Any) -> None:
        super().__init__(platform.url, **settings)
        self._platform = platform

    async def close(self) -> None:
        """Close the connections and stop the platform. What it has not finished, it will when it is started again."""
        await super().close()
        await asyncio.to_thread(self._platform.stop)

    def __reduce__(self) -> tuple[Any, ...]:
        """In another process it is an ordinary client."""
        return rebuild, (AsyncClient, self._settings, dict(self._session.options))


async def connect_async(**settings: Any) -> AsyncClient:
    """As `connect`, for asyncio: an `AsyncClient`. Does not block the event loop."""
    if os.environ.get("MPCSFAAS_URL"):
        return AsyncClient(**settings)
    running = await asyncio.to_thread(find_running)
    if running is not None:
        return AsyncClient(running.url, **settings)
    return EmbeddedAsyncClient(await asyncio.to_thread(PlatformChild), **settings)
