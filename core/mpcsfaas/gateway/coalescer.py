"""Many callers, one call: what arrives while a call is in flight forms the next batch."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, NamedTuple, TypeVar

from mpcsfaas.errors import StorageUnavailable

T = TypeVar("T")
R = TypeVar("R")


class _Call(NamedTuple, Generic[T, R]):
    items: Sequence[T]
    answer: asyncio.Future[Sequence[R]]


class Coalescer(Generic[T, R]):
    """Merges concurrent calls of a batch function into few.

    A call that finds none in flight goes at once, together with those of the same event-loop wake-up; nobody waits for
    a batch to fill. `send` answers one result per item, in order. When it raises for a merged batch, each caller's
    items are sent again by themselves, so that the error reaches only its cause; `StorageUnavailable` goes to all.
    """

    def __init__(self, send: Callable[[Sequence[T]], Awaitable[Sequence[R]]], limit: int = 10_000) -> None:
        """`limit` bounds the items of a merged batch; one caller's items are never split."""
        self._send = send
        self._limit = limit
        self._waiting: deque[_Call[T, R]] = deque()
        self._sender: asyncio.Task[None] | None = None

    async def submit(self, items: Sequence[T]) -> Sequence[R]:
        """One result per item, in order. Raises what `send` raises for these items."""
        call: _Call[T, R] = _Call(items, asyncio.get_running_loop().create_future())
        self._waiting.append(call)
        if self._sender is None:
            self._sender = asyncio.create_task(self._send_waiting())
        return await call.answer

    async def _send_waiting(self) -> None:
        while self._waiting:
            await self._deliver(self._next_batch())
        self._sender = None

    def _next_batch(self) -> list[_Call[T, R]]:
        batch = [self._waiting.popleft()]
        size = len(batch[0].items)
        while self._waiting and (size := size + len(self._waiting[0].items)) <= self._limit:
            batch.append(self._waiting.popleft())
        return batch

    async def _deliver(self, batch: list[_Call[T, R]]) -> None:
        try:
            results = await self._send([item for call in batch for item in call.items])
        except Exception as error:
            await self._deliver_error(batch, error)
            return
        start = 0
        for call in batch:
            end = start + len(call.items)
            if not call.answer.done():
                call.answer.set_result(results[start:end])
            start = end

    async def _deliver_error(self, batch: list[_Call[T, R]], error: Exception) -> None:
        if len(batch) > 1 and not isinstance(error, StorageUnavailable):
            for call in batch:
                await self._deliver([call])
            return
        for call in batch:
            if not call.answer.done():
                call.answer.set_exception(error)
