"""Questions. Tasks are read by one script, so what is told of each is of one moment."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from mpcsfaas.interfaces.storage import Completion, Statistics
from mpcsfaas.model import State, TaskLogs, TaskRecord, TaskResult
from mpcsfaas_storage_redis import records
from mpcsfaas_storage_redis.client import Client

T = TypeVar("T")

LARGEST_QUESTION = 500
"""Tasks or items asked for at once."""


async def get_tasks(client: Client, task_ids: Sequence[str]) -> list[TaskRecord | None]:
    """See `Storage.get_tasks`."""
    return await _read(client, task_ids, ("tasks", "failures", "histories"), records.task)


async def get_results(client: Client, task_ids: Sequence[str]) -> list[TaskResult | None]:
    """See `Storage.get_results`."""
    return await _read(client, task_ids, ("tasks", "failures", "values"), records.result)


async def get_payloads(client: Client, task_ids: Sequence[str]) -> list[bytes | None]:
    """See `Storage.get_payloads`."""
    return await _read(client, task_ids, ("tasks", "payloads"), lambda name, _, payload: payload)


async def get_logs(client: Client, task_id: str) -> TaskLogs | None:
    """See `Storage.get_logs`."""
    (logs,) = await _read(client, [task_id], ("tasks", "logs"), lambda name, _, packed: records.logs(name, packed))
    return logs


async def _read(
    client: Client, task_ids: Sequence[str], hashes: tuple[str, ...], build: Callable[..., T]
) -> list[T | None]:
    """What is built of that which these hashes have of each task; the first has its record."""
    known: dict[str, T | None] = {}
    distinct = list(dict.fromkeys(task_ids))
    for start in range(0, len(distinct), LARGEST_QUESTION):
        part = distinct[start : start + LARGEST_QUESTION]
        columns = await client.ask_script("read_tasks", len(hashes), *hashes, *part)
        known |= {
            task_id: build(task_id, *row) if row[0] else None for task_id, *row in zip(part, *columns, strict=True)
        }
    return [known[task_id] for task_id in task_ids]


async def completions(client: Client, after: int, limit: int, group: str | None) -> list[Completion]:
    """See `Storage.completions`."""
    feed: list[Completion] = []
    key = client.key("feed" if group is None else f"feed:{group}")
    while len(feed) < limit:
        start, wanted = feed[-1].sequence if feed else after, min(limit - len(feed), LARGEST_QUESTION)
        # With the time, as this is what a process that only follows goes on asking.
        (entries,), _ = await client.ask_with_moment([("XRANGE", key, f"{max(start, 0) + 1}-0", "+", "COUNT", wanted)])
        feed += [_completion(entry, values, group) for entry, values in entries]
        if len(entries) < wanted:
            break
    return feed


def _completion(entry: bytes, values: Sequence[bytes], group: str | None) -> Completion:
    state, task_id, *rest = values
    name = rest[1].decode() if rest else group
    return Completion(int(entry.partition(b"-")[0]), task_id.decode(), name, State(state.decode()))


async def latest_completion(client: Client) -> int:
    """See `Storage.latest_completion`."""
    (sequence,) = await client.ask([("GET", client.key("sequence"))])
    return int(sequence or 0)


async def statistics(client: Client, fenced: int) -> Statistics:
    """See `Storage.statistics`."""
    queued, running, completed, failed, cancelled, known, record = await client.ask_script("statistics")
    oldest = records.created_at(record) if record else None
    return Statistics(queued, running, completed, failed, cancelled, known, fenced, oldest)
