"""The results of many tasks at once: of those that have ended, as soon as there are some."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from mpcsfaas.gateway import problems
from mpcsfaas.gateway.context import Gateway
from mpcsfaas.model import TaskResult

LARGEST_LOOK = 100
"""Tasks whose results are in memory at the same time, at most."""
ENOUGH = 4 * 1024 * 1024
"""Bytes of values after which an answer is complete; whatever else has ended is for the next one."""
SMALL = ENOUGH // LARGEST_LOOK
"""Bytes of a value that is small enough for the largest look."""

Ended = TaskResult | tuple[str, problems.Problem]
"""A result, or the id of a task that will never have one, and why."""


async def ended_within(gateway: Gateway, task_ids: Sequence[str], seconds: float) -> list[Ended]:
    """Those of the tasks that have ended, after waiting up to `seconds` for the first; maybe not all of them."""
    if not seconds:
        return await _ended(gateway, task_ids)
    with gateway.hub.watch(*task_ids) as changed, suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await gateway.hub.following()
            if ended := await _ended(gateway, task_ids):
                return ended
            await changed.wait()
    return await _ended(gateway, task_ids)


async def _ended(gateway: Gateway, task_ids: Sequence[str]) -> list[Ended]:
    """Looks at more tasks at a time as long as their values are small."""
    ended: list[Ended] = []
    start = size = 0
    count = 1
    while start < len(task_ids) and size < ENOUGH:
        part = task_ids[start : start + count]
        results = await gateway.results.submit(part)
        ended += [_judged(*each) for each in zip(part, results, strict=True) if _has_ended(each[1])]
        found = sum(len(result.value) for result in results if result)
        size += found
        start += len(part)
        count = min(LARGEST_LOOK, 2 * count) if found <= SMALL * len(part) else 1
    return ended


def _has_ended(result: TaskResult | None) -> bool:
    return result is None or result.state.is_terminal


def _judged(task_id: str, result: TaskResult | None) -> Ended:
    if result is None:
        return task_id, problems.unknown_task(task_id)
    return (task_id, problems.result_expired(task_id)) if result.expired else result
