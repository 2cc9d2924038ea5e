"""Reads what became of tasks that have ended, and has their spans sent."""

import asyncio
import logging
from collections import deque
from collections.abc import Collection, Iterable

from mpcsfaas.errors import StorageError
from mpcsfaas.interfaces import Storage
from mpcsfaas.model import State
from mpcsfaas_tracing.outlet import Outlet
from mpcsfaas_tracing.spans import spans_of

log = logging.getLogger(__name__)

CHUNK = 500
MOST_WAITING = 100_000
"""Tasks that are yet to be read; of more, the oldest have no spans."""


class EndedTasks:
    """Those of one observer. For the event loop that the storage is used in."""

    def __init__(self, storage: Storage, outlet: Outlet, states: Collection[State]) -> None:
        """Tasks in other states are passed over."""
        self._storage = storage
        self._outlet = outlet
        self._states = states
        self._waiting: deque[str] = deque(maxlen=MOST_WAITING)
        self._reader: asyncio.Task[None] | None = None

    def add(self, task_ids: Iterable[str]) -> None:
        """These have ended. Never blocks."""
        self._waiting.extend(task_ids)
        if self._reader is None:
            self._reader = asyncio.get_running_loop().create_task(self._read())

    async def _read(self) -> None:
        try:
            while self._waiting:
                await self._read_chunk([self._waiting.popleft() for _ in range(min(CHUNK, len(self._waiting)))])
        finally:
            self._reader = None

    async def _read_chunk(self, task_ids: list[str]) -> None:
        try:
            records = await self._storage.get_tasks(task_ids)
        except StorageError as error:
            log.warning("Up to %d tasks are missing in traces: %s", len(task_ids), error)
            return
        for record in records:
            if record and record.state in self._states:
                self._outlet.add(spans_of(record))
