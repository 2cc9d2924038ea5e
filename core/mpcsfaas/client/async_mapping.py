"""`map` for asyncio; what to submit and what to give next is decided by `mapping`."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from mpcsfaas.client import operations
from mpcsfaas.client.async_connection import AsyncConnection, AsyncResultStream
from mpcsfaas.client.following import Follower
from mpcsfaas.client.mapping import MapPlan
from mpcsfaas.client.outcome import Outcome
from mpcsfaas.client.progress import ProgressBar


async def map_async(connection: AsyncConnection, plan: MapPlan, progress: bool | None) -> AsyncIterator[Any]:
    """The asyncio twin of `map_blocking`; it begins with the first item."""
    stream = AsyncResultStream(connection, Follower(plan.group, plan.session.timeout))
    try:
        async with aclosing(stream.turns()) as turns:
            with ProgressBar(plan.total, progress) as bar:
                known_interruptions = 0
                while not plan.finished:
                    while batch := plan.next_batch():
                        plan.answered(batch, await connection.perform(operations.submit_many(plan.session, batch)))
                    for value in plan.take_ready():
                        bar.advance()
                        yield value
                    if plan.waiting:
                        plan.received(await anext(turns))
                    if stream.interruptions > known_interruptions:
                        known_interruptions = stream.interruptions
                        lost = await connection.perform(operations.lost_tasks(plan.session, plan.group, plan.waiting))
                        for task_id, error in lost.items():
                            plan.ended(task_id, Outcome(error=error))
    finally:
        if plan.waiting:
            await connection.perform(operations.cancel_many(plan.session, plan.waiting))
