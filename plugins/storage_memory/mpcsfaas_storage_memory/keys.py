"""What the gateways know about API keys."""

from collections.abc import Callable
from time import time

from mpcsfaas.interfaces import Storage
from mpcsfaas.interfaces.storage import StorageOptions


class KeepingKeys(Storage):
    """The part of a storage that has to do with API keys."""

    def __init__(self, url: str, options: StorageOptions, clock: Callable[[], float] = time) -> None:
        super().__init__(url, options, clock)
        self._api_keys: dict[str, bytes] = {}

    async def put_key(self, key_id: str, record: bytes) -> None:
        """See `Storage`."""
        self._api_keys[key_id] = record

    async def list_keys(self) -> dict[str, bytes]:
        """See `Storage`."""
        return dict(self._api_keys)

    async def delete_key(self, key_id: str) -> bool:
        """See `Storage`."""
        return self._api_keys.pop(key_id, None) is not None
