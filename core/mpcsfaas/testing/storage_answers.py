"""Everything that can be read of a storage, in a form that can be compared with another's."""

import asyncio
from collections.abc import Sequence

from mpcsfaas.interfaces import Storage
from mpcsfaas.interfaces.storage import TaskFilter
from mpcsfaas.model import State, TaskRecord, TaskResult
from mpcsfaas.testing.storage_cases.world import list_all


async def everything(storage: Storage, ids: list[str], function_ids: Sequence[str]) -> dict[str, object]:
    """The answers to every question about these tasks and functions, for a comparison with another storage's."""
    """All that can be read, in a form in which any two right storages agree."""
    records, results, statistics, listing, feed, logs = await asyncio.gather(
        storage.get_tasks(ids),
        storage.get_results(ids),
        storage.statistics(),
        _listing(storage, function_ids),
        _feed(storage),
        asyncio.gather(*(storage.get_logs(task_id) for task_id in ids)),
    )
    return {
        "records": [_without_expired_details(record) for record in records],
        "results": [_without_expired_details(result) for result in results],
        "payloads": await storage.get_payloads(ids),
        "statistics": statistics,
        "listing": listing,
        "feed": feed,
        "keys": await storage.list_keys(),
        "logs": logs,
    }


def _without_expired_details(answer: TaskRecord | TaskResult | None) -> object:
    """What is left of an expired task, beside its state, is the storage's own choice."""
    return (answer.state, True) if answer and answer.expired else answer


async def _listing(storage: Storage, function_ids: Sequence[str]) -> list[list[str]]:
    filters = [TaskFilter(), *(TaskFilter(state) for state in State)]
    filters += [TaskFilter(function_id=function_ids[0]), TaskFilter(State.QUEUED, function_ids[1], "group")]
    lists = await asyncio.gather(*(list_all(storage, criteria, limit=5) for criteria in filters))
    return [[record.id for record in records] for records in lists]


async def _feed(storage: Storage) -> list[list[tuple[str, str | None, State]]]:
    feeds = await asyncio.gather(*(storage.completions(0, group=group) for group in (None, "group")))
    latest = await storage.latest_completion()
    for feed in feeds:
        sequences = [item.sequence for item in feed]
        assert sequences == sorted(set(sequences)), "the feed is out of order"
        assert max(sequences, default=0) <= latest, "the feed is ahead of its latest"
    return [[(item.task_id, item.group, item.state) for item in feed] for feed in feeds]
