"""What the routes of one gateway share."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import cast

from fastapi import Request, Response

from mpcsfaas.gateway import problems
from mpcsfaas.gateway.coalescer import Coalescer
from mpcsfaas.gateway.completions import Hub
from mpcsfaas.gateway.counting import StatisticsAnswer, count_all
from mpcsfaas.gateway.settings import GatewaySettings
from mpcsfaas.gateway.storage_view import Batches, StorageView
from mpcsfaas.interfaces import Serializer, Storage
from mpcsfaas.interfaces.storage import Enqueued
from mpcsfaas.model import Task, TaskResult

RESULTS_AT_ONCE = 1000

Page = Callable[[Request], Awaitable[Response]]
"""What answers a browser at `/`; a plugin may put its own in `app.state.page`."""


@dataclass(frozen=True, slots=True)
class Gateway:
    """One gateway's parts."""

    storage: StorageView
    serializers: dict[str, Serializer]
    settings: GatewaySettings
    hub: Hub
    enqueue: Batches[Task, Enqueued]
    results: Batches[str, TaskResult | None]
    group_name: Callable[[str], str]
    """The name in the storage of what clients call a group."""
    counts: Callable[[], Awaitable[StatisticsAnswer]]
    """How much there is that the sender may know of."""

    @classmethod
    def build(cls, storage: Storage, serializers: Sequence[Serializer], settings: GatewaySettings) -> "Gateway":
        """A gateway over an open storage."""
        return cls(
            storage=storage,
            serializers={serializer.name: serializer for serializer in serializers},
            settings=settings,
            hub=Hub(storage),
            enqueue=Coalescer(storage.enqueue),
            results=Coalescer(partial(_get_each_once, storage), limit=RESULTS_AT_ONCE),
            group_name=str,
            counts=partial(count_all, storage),
        )

    def serializer(self, name: str) -> Serializer:
        """A serializer by its name. Raises a 400 `Problem`."""
        try:
            return self.serializers[name]
        except KeyError:
            raise problems.unknown_serializer(name, list(self.serializers)) from None

    async def outcome(self, task_id: str) -> TaskResult:
        """A task's state and what is left of its outcome. Raises a 404 `Problem`."""
        (result,) = await self.results.submit([task_id])
        if result is None:
            raise problems.unknown_task(task_id)
        return result

    async def result(self, task_id: str) -> TaskResult:
        """As `outcome`, but once the result is gone that is a 410 `Problem`."""
        result = await self.outcome(task_id)
        if result.expired:
            raise problems.result_expired(task_id)
        return result

    async def result_within(self, task_id: str, seconds: float) -> TaskResult:
        """As `result`, after waiting up to `seconds` for the task's end."""
        if not seconds:
            return await self.result(task_id)
        with self.hub.watch(task_id) as ended, suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.hub.following()
                result = await self.result(task_id)
                if result.state.is_terminal:
                    return result
                await ended.wait()
        return await self.result(task_id)

    async def result_after(self, ended: asyncio.Event, task_id: str, seconds: float) -> TaskResult:
        """As `result`, after waiting up to `seconds` for an event of the hub that was made before the task."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await ended.wait()
        return await self.result(task_id)


async def _get_each_once(storage: Storage, task_ids: Sequence[str]) -> list[TaskResult | None]:
    """Results for callers some of whom ask for the same ones, as streams of one group do."""
    unique = list(dict.fromkeys(task_ids))
    found = dict(zip(unique, await storage.get_results(unique), strict=True))
    return [found[task_id] for task_id in task_ids]


def gateway_of(request: Request) -> Gateway:
    """The gateway that serves a request, as its sender sees it: without what belongs to other tenants."""
    return cast(Gateway, request.scope["gateway"])
