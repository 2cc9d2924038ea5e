"""A wake-up that storages hand to those who wait for something."""

import asyncio


class WakeUp:
    """Wakes every waiter at once. `version` counts the calls of `set`, so that one who looked earlier misses none.

    For one event loop's thread only.
    """

    def __init__(self) -> None:
        self.version = 0
        self._event = asyncio.Event()

    def set(self) -> None:
        """Wake those who wait, and those who come with an older version."""
        self.version += 1
        self._event.set()
        self._event = asyncio.Event()

    async def wait(self, seen: int, timeout: float) -> None:
        """Return when `version` is no longer `seen`, or after `timeout` seconds."""
        if self.version != seen or timeout <= 0:
            return
        try:
            async with asyncio.timeout(timeout):
                await self._event.wait()
        except TimeoutError:
            pass
