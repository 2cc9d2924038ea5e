"""The keys as this gateway knows them: a copy of what the storage has, never older than two seconds when it is used."""

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable, Mapping

from mpcsfaas.gateway.auth.keys import ApiKey, decode_key

logger = logging.getLogger("mpcsfaas.gateway")

MAX_AGE = 2.0
"""Seconds for which a copy is used: so long a revoked key may still work."""
NEWS = 0.2
"""Seconds between two looks for an unknown key, which may be a new one: so much guessing can cost the storage."""

Load = Callable[[], Awaitable[Mapping[str, bytes]]]


class Keyring:
    """Keys by their ids. It must not be asked while it is stale."""

    def __init__(self, load: Load, clock: Callable[[], float] = time.monotonic) -> None:
        """`load` is `Storage.list_keys`; `clock` gives monotonic seconds."""
        self._load = load
        self._clock = clock
        self._records: Mapping[str, bytes] = {}
        self._keys: dict[str, ApiKey] = {}
        self._loaded_at = -math.inf
        self._loading: asyncio.Task[None] | None = None

    @property
    def is_stale(self) -> bool:
        """True if the copy is too old to be used; then `refresh` comes first."""
        return self._clock() - self._loaded_at >= MAX_AGE

    @property
    def has_keys(self) -> bool:
        """True if there is any key, be it expired, or one that cannot be read."""
        return bool(self._records)

    def get(self, key_id: str) -> ApiKey | None:
        """The key with this id."""
        return self._keys.get(key_id)

    async def find(self, key_id: str) -> ApiKey | None:
        """As `get`, but one that may be new is looked for in the storage. Raises `StorageUnavailable`."""
        if key_id not in self._keys:
            await asyncio.sleep(self._loaded_at + NEWS - self._clock())
            await self.refresh()
        return self._keys.get(key_id)

    async def look_for_news(self) -> None:
        """Copy anew, unless that was done just now. Raises `StorageUnavailable`."""
        if self._clock() - self._loaded_at >= NEWS:
            await self.refresh()

    async def refresh(self) -> None:
        """Copy anew, together with all who want that just now. Raises `StorageUnavailable`."""
        if self._loading is None:
            self._loading = asyncio.create_task(self._copy())
            self._loading.add_done_callback(self._loaded)
        await asyncio.shield(self._loading)

    def _loaded(self, task: asyncio.Task[None]) -> None:
        self._loading = None
        if not task.cancelled():
            task.exception()  # Those who wait for it are told; if none is left, nobody need be.

    async def _copy(self) -> None:
        began = self._clock()
        records = await self._load()
        if records != self._records:
            self._keys = dict(_readable(records))
            self._records = records
        self._loaded_at = began


def _readable(records: Mapping[str, bytes]) -> list[tuple[str, ApiKey]]:
    keys = []
    for key_id, record in records.items():
        try:
            keys.append((key_id, decode_key(record)))
        except ValueError as error:
            logger.warning("The record of the API key %s cannot be read, so it lets nobody in: %s", key_id, error)
    return keys
