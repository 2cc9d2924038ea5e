"""`redis`: each method is a script or a few commands, sent with all that the same turn of the loop asks for."""

from collections.abc import Callable, Collection, Sequence
from functools import partial
from time import time
from typing import ClassVar

from mpcsfaas.errors import StorageUnavailable
from mpcsfaas.interfaces import Storage
from mpcsfaas.interfaces.storage import Completion, Enqueued, Page, Statistics, StorageOptions, TaskFilter
from mpcsfaas.model import (
    Attempt,
    AttemptKey,
    DispatcherInfo,
    Function,
    State,
    Task,
    TaskLogs,
    TaskRecord,
    TaskResult,
    Transition,
)
from mpcsfaas.recent import Recent
from mpcsfaas_storage_redis import (
    acceptance,
    claims,
    ended,
    endings,
    functions,
    housekeeping,
    keys,
    listing,
    opening,
    reading,
)
from mpcsfaas_storage_redis.client import Client
from mpcsfaas_storage_redis.connecting import connect
from mpcsfaas_storage_redis.listener import COMPLETION, WORK, Listener
from mpcsfaas_storage_redis.location import parse
from mpcsfaas_storage_redis.options import RedisOptions
from mpcsfaas_storage_redis.waiting import Waits


class RedisStorage(Storage):
    """A Redis or Valkey server; any number of instances, in any number of processes of any machines."""

    name: ClassVar[str] = "redis"
    Options: ClassVar[type[StorageOptions]] = RedisOptions

    def __init__(
        self,
        url: str,
        options: RedisOptions,
        clock: Callable[[], float] = time,
        *,
        server_clock: Callable[[], float] | None = None,
    ) -> None:
        # The server's clock is everybody's, so `clock` is not looked at; tests replace it by `server_clock`.
        self._location = parse(url)
        self._client = Client(self._location, options.prefix, options.timeout, server_clock)
        super().__init__(url, options, self._client.now)
        self._recent = Recent()
        self._waits = Waits(self._client, self._recent, options.poll_interval)
        listen = partial(Listener, partial(connect, self._location, options.timeout))
        self._work = listen(WORK, lambda _: self._waits.work.set())
        self._completions = listen(COMPLETION, self._hear_endings)
        self._database = b""
        self._fenced = 0
        self._closed = False

    async def open(self) -> None:
        """See `Storage`."""
        try:
            self._database = await opening.check(self._client, self._location.name)
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """See `Storage`."""
        self._closed = True
        self._waits.close()
        await self._work.stop()
        await self._completions.stop()
        await self._client.stop()

    # Functions

    async def put_function(self, function: Function) -> bool:
        """See `Storage`."""
        return await functions.put_function(self._client, function)

    async def get_function(self, function_id: str, include_deleted: bool = False) -> Function | None:
        """See `Storage`."""
        return await functions.get_function(self._client, function_id, include_deleted)

    async def list_functions(self, cursor: str | None = None, limit: int = 100) -> Page[Function]:
        """See `Storage`."""
        return await functions.list_functions(self._client, cursor, limit)

    async def delete_function(self, function_id: str) -> bool:
        """See `Storage`."""
        return await functions.delete_function(self._client, function_id)

    # The life of a task

    async def enqueue(self, tasks: Sequence[Task]) -> list[Enqueued]:
        """See `Storage`."""
        return await acceptance.enqueue(self._client, tasks, self.options.max_unfinished)

    async def claim(
        self, dispatcher_id: str, limit: int, lease: float, labels: Collection[frozenset[str]] = (frozenset(),)
    ) -> list[Attempt]:
        """See `Storage`."""
        return await claims.claim(self._client, dispatcher_id, limit, lease, labels)

    async def claim_lapsed(self, dispatcher_id: str, limit: int, lease: float) -> list[Attempt]:
        """See `Storage`."""
        return await claims.claim_lapsed(self._client, dispatcher_id, limit, lease)

    async def adopt(self, dispatcher_id: str, keys: Sequence[AttemptKey], lease: float) -> list[Attempt]:
        """See `Storage`."""
        return await claims.adopt(self._client, dispatcher_id, keys, lease)

    async def claim_overdue(
        self, dispatcher_id: str, limit: int, lease: float, default_deadline: float | None = None
    ) -> list[Attempt]:
        """See `Storage`."""
        return await claims.claim_overdue(self._client, dispatcher_id, limit, lease, default_deadline)

    async def renew(self, dispatcher_id: str, keys: Sequence[AttemptKey], lease: float) -> list[AttemptKey]:
        """See `Storage`."""
        return await claims.renew(self._client, dispatcher_id, keys, lease)

    async def finish(self, transitions: Sequence[Transition]) -> list[bool]:
        """See `Storage`."""
        applied = await endings.finish(self._client, transitions)
        self._fenced += applied.count(False)
        return applied

    async def cancel(self, task_ids: Sequence[str]) -> list[State | None]:
        """See `Storage`."""
        return await endings.cancel(self._client, task_ids)

    async def take_cancellations(self, dispatcher_id: str) -> list[AttemptKey]:
        """See `Storage`."""
        return await claims.take_cancellations(self._client, dispatcher_id)

    # Reading

    async def get_tasks(self, task_ids: Sequence[str]) -> list[TaskRecord | None]:
        """See `Storage`."""
        return await reading.get_tasks(self._client, task_ids)

    async def get_results(self, task_ids: Sequence[str]) -> list[TaskResult | None]:
        """See `Storage`."""
        known = self._recent.results(task_ids, self._client.now())
        missing = [task_id for task_id in task_ids if task_id not in known]
        if missing:
            read = await reading.get_results(self._client, missing)
            known.update((task_id, result) for task_id, result in zip(missing, read, strict=True) if result)
        return [known.get(task_id) for task_id in task_ids]

    async def get_payloads(self, task_ids: Sequence[str]) -> list[bytes | None]:
        """See `Storage`."""
        return await reading.get_payloads(self._client, task_ids)

    async def get_logs(self, task_id: str) -> TaskLogs | None:
        """See `Storage`."""
        return await reading.get_logs(self._client, task_id)

    async def list_tasks(self, criteria: TaskFilter, cursor: str | None = None, limit: int = 100) -> Page[TaskRecord]:
        """See `Storage`. With two filters at once, a page may be short, or empty, and yet have a cursor."""
        return await listing.list_tasks(self._client, criteria, cursor, limit)

    async def completions(self, after: int, limit: int = 1000, group: str | None = None) -> list[Completion]:
        """See `Storage`."""
        return await reading.completions(self._client, after, limit, group)

    async def latest_completion(self) -> int:
        """See `Storage`."""
        return await reading.latest_completion(self._client)

    async def statistics(self) -> Statistics:
        """See `Storage`."""
        return await reading.statistics(self._client, self._fenced)

    # Waiting

    async def wait_for_work(self, dispatcher_id: str, timeout: float) -> None:
        """See `Storage`."""
        self._check_open()
        self._work.start()
        await self._waits.for_work(dispatcher_id, timeout)

    async def wait_for_completions(self, after: int, timeout: float, limit: int = 1000) -> list[Completion]:
        """See `Storage`."""
        self._check_open()
        self._completions.start()
        return await self._waits.for_completions(after, timeout, limit)

    def _hear_endings(self, message: bytes) -> None:
        self._recent.add(ended.read(message, self._database))
        self._waits.completion.set()

    def _check_open(self) -> None:
        if self._closed:
            raise StorageUnavailable(f"{self._location.name} is closed; open a new storage")

    # Access

    async def put_key(self, key_id: str, record: bytes) -> None:
        """See `Storage`."""
        await keys.put_key(self._client, key_id, record)

    async def list_keys(self) -> dict[str, bytes]:
        """See `Storage`."""
        return await keys.list_keys(self._client)

    async def delete_key(self, key_id: str) -> bool:
        """See `Storage`."""
        return await keys.delete_key(self._client, key_id)

    # Housekeeping

    async def expire(self, limit: int = 1000) -> int:
        """See `Storage`."""
        return await housekeeping.expire(self._client, limit)

    async def report_dispatcher(self, info: DispatcherInfo) -> None:
        """See `Storage`."""
        await housekeeping.report_dispatcher(self._client, info)

    async def remove_dispatcher(self, dispatcher_id: str) -> None:
        """See `Storage`."""
        await housekeeping.remove_dispatcher(self._client, dispatcher_id)
        self._waits.forget(dispatcher_id)

    async def dispatchers(self) -> list[DispatcherInfo]:
        """See `Storage`."""
        return await housekeeping.dispatchers(self._client)
