"""`sqlite`: each method is a call to the connection that writes or to the one that reads."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from functools import partial
from math import inf
from time import time
from typing import Any, ClassVar

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
from mpcsfaas.recent import Ended, Recent
from mpcsfaas.wakeup import WakeUp
from mpcsfaas_storage_sqlite import acceptance, claims, endings, functions, housekeeping, keys, listing, reading
from mpcsfaas_storage_sqlite.claims import Claim, Renewal
from mpcsfaas_storage_sqlite.connection import connect_reader, connect_writer
from mpcsfaas_storage_sqlite.disk import Disk
from mpcsfaas_storage_sqlite.lane import News, Operation
from mpcsfaas_storage_sqlite.listing import Listing
from mpcsfaas_storage_sqlite.location import PREFIX, path_of
from mpcsfaas_storage_sqlite.options import SqliteOptions, Synchronous
from mpcsfaas_storage_sqlite.reading import Following
from mpcsfaas_storage_sqlite.rows import micros, seconds
from mpcsfaas_storage_sqlite.transaction import Effects
from mpcsfaas_storage_sqlite.writer import Reader, Writer


class SqliteStorage(Storage):
    """One file; any number of instances, in any number of processes of one machine."""

    name: ClassVar[str] = "sqlite"
    Options: ClassVar[type[StorageOptions]] = SqliteOptions

    def __init__(self, url: str, options: SqliteOptions, clock: Callable[[], float] = time) -> None:
        super().__init__(url, options, clock)
        self._syncs = options.synchronous is Synchronous.FULL
        self._options = options
        name = f"storage file {url.removeprefix(PREFIX)}"
        patience = options.busy_timeout
        self._disk = Disk()
        self._reader = Reader(name, patience)
        self._writer = Writer(name, patience, clock, options.max_unfinished, self._disk, self._committed, self._ended)
        self._work = WakeUp()
        self._completion = WakeUp()
        self._recent = Recent()
        self._waited: dict[str, int] = {}
        """The version of `_work` at which each dispatcher's last wait returned."""
        self._next_ready_at: int | None = None
        self._fenced = 0
        self._closed = False

    async def open(self) -> None:
        """See `Storage`."""
        try:
            self._writer.start(await asyncio.to_thread(connect_writer, self.url, self._options))
            self._reader.start(await asyncio.to_thread(connect_reader, self.url, self._options))
            self._disk.start(path_of(self.url))
        except BaseException as error:
            await self.close()
            if isinstance(error, OSError):
                raise StorageUnavailable(
                    f"{self._writer.name} cannot be synced: {error}; look at its folder"
                ) from error
            raise

    async def close(self) -> None:
        """See `Storage`."""
        self._closed = True
        self._work.set()
        self._completion.set()
        await self._reader.finish()
        self._reader.close()
        await self._writer.finish()
        await self._disk.stop()
        self._writer.close()

    def _committed(self, effects: Effects, next_ready_at: int | None) -> None:
        """What the writer tells after each commit, of this process or another."""
        self._fenced += effects.fenced
        self._next_ready_at = next_ready_at
        if effects.work:
            self._work.set()
        if effects.completion:
            self._recent.others_wrote()
            self._completion.set()

    def _ended(self, ended: Sequence[Ended]) -> News:
        """What is to be told once these ends of tasks are on the disk."""
        return partial(self._tell, ended, self._recent.interruptions)

    def _tell(self, ended: Sequence[Ended], interruptions: int) -> None:
        self._recent.add(ended, interruptions)
        self._completion.set()

    async def _write(self, operation: Operation, argument: Any, size: int = 1) -> Any:
        return await self._writer.call(operation, argument, size)

    async def _write_durably(self, operation: Operation, argument: Any, size: int = 1) -> Any:
        return await self._writer.call(operation, argument, size, durable=self._syncs)

    # Functions

    async def put_function(self, function: Function) -> bool:
        """See `Storage`."""
        is_new: bool = await self._write_durably(functions.put_function, function)
        return is_new

    async def get_function(self, function_id: str, include_deleted: bool = False) -> Function | None:
        """See `Storage`."""
        function: Function | None = await self._reader.call(functions.get_function, (function_id, include_deleted))
        return function

    async def list_functions(self, cursor: str | None = None, limit: int = 100) -> Page[Function]:
        """See `Storage`."""
        after = 0 if cursor is None else listing.position_of(cursor)
        page: Page[Function] = await self._reader.call(functions.list_functions, (after, limit))
        return page

    async def delete_function(self, function_id: str) -> bool:
        """See `Storage`."""
        was_there: bool = await self._write_durably(functions.delete_function, function_id)
        return was_there

    # The life of a task

    async def enqueue(self, tasks: Sequence[Task]) -> list[Enqueued]:
        """See `Storage`."""
        answers: list[Enqueued] = await self._write_durably(acceptance.enqueue, tasks, len(tasks))
        return answers

    async def claim(
        self, dispatcher_id: str, limit: int, lease: float, labels: Collection[frozenset[str]] = (frozenset(),)
    ) -> list[Attempt]:
        """See `Storage`."""
        attempts: list[Attempt] = await self._write(claims.claim, Claim(dispatcher_id, limit, lease, labels), limit)
        return attempts

    async def claim_lapsed(self, dispatcher_id: str, limit: int, lease: float) -> list[Attempt]:
        """See `Storage`."""
        attempts: list[Attempt] = await self._write(claims.claim_lapsed, Claim(dispatcher_id, limit, lease), limit)
        return attempts

    async def adopt(self, dispatcher_id: str, keys: Sequence[AttemptKey], lease: float) -> list[Attempt]:
        """See `Storage`."""
        attempts: list[Attempt] = await self._write(claims.adopt, Renewal(dispatcher_id, keys, lease), len(keys))
        return attempts

    async def claim_overdue(
        self, dispatcher_id: str, limit: int, lease: float, default_deadline: float | None = None
    ) -> list[Attempt]:
        """See `Storage`."""
        request = Claim(dispatcher_id, limit, lease, default_deadline=default_deadline)
        attempts: list[Attempt] = await self._write(claims.claim_overdue, request, limit)
        return attempts

    async def renew(self, dispatcher_id: str, keys: Sequence[AttemptKey], lease: float) -> list[AttemptKey]:
        """See `Storage`."""
        lost: list[AttemptKey] = await self._write(claims.renew, Renewal(dispatcher_id, keys, lease), len(keys))
        return lost

    async def finish(self, transitions: Sequence[Transition]) -> list[bool]:
        """See `Storage`."""
        endings.check(transitions)
        applied: list[bool] = await self._write_durably(endings.finish, transitions, len(transitions))
        return applied

    async def cancel(self, task_ids: Sequence[str]) -> list[State | None]:
        """See `Storage`."""
        states: list[State | None] = await self._write_durably(endings.cancel, task_ids, len(task_ids))
        return states

    async def take_cancellations(self, dispatcher_id: str) -> list[AttemptKey]:
        """See `Storage`. Hardly ever is there one, so it is worth a look before a place among the writers is taken."""
        if not await self._reader.call(claims.has_cancellations, dispatcher_id):
            return []
        keys: list[AttemptKey] = await self._write(claims.take_cancellations, dispatcher_id)
        return keys

    # Reading

    async def get_tasks(self, task_ids: Sequence[str]) -> list[TaskRecord | None]:
        """See `Storage`."""
        records: list[TaskRecord | None] = await self._reader.call(reading.get_tasks, task_ids, len(task_ids))
        return records

    async def get_results(self, task_ids: Sequence[str]) -> list[TaskResult | None]:
        """See `Storage`."""
        known = self._recent.results(task_ids, self._now())
        missing = [task_id for task_id in task_ids if task_id not in known]
        if missing:
            read: list[TaskResult | None] = await self._reader.call(reading.get_results, missing, len(missing))
            known.update((task_id, result) for task_id, result in zip(missing, read, strict=True) if result)
        return [known.get(task_id) for task_id in task_ids]

    async def get_payloads(self, task_ids: Sequence[str]) -> list[bytes | None]:
        """See `Storage`."""
        payloads: list[bytes | None] = await self._reader.call(reading.get_payloads, task_ids, len(task_ids))
        return payloads

    async def get_logs(self, task_id: str) -> TaskLogs | None:
        """See `Storage`."""
        logs: TaskLogs | None = await self._reader.call(reading.get_logs, task_id)
        return logs

    async def list_tasks(self, criteria: TaskFilter, cursor: str | None = None, limit: int = 100) -> Page[TaskRecord]:
        """See `Storage`. With two filters at once, a page may be short, or empty, and yet have a cursor."""
        question = Listing(criteria, listing.position_of(cursor), limit)
        page: Page[TaskRecord] = await self._reader.call(listing.list_tasks, question, limit)
        return page

    async def completions(self, after: int, limit: int = 1000, group: str | None = None) -> list[Completion]:
        """See `Storage`."""
        feed: list[Completion] = await self._reader.call(reading.completions, Following(after, limit, group))
        return feed

    async def latest_completion(self) -> int:
        """See `Storage`."""
        sequence: int = await self._reader.call(reading.latest_completion, None)
        return sequence

    async def statistics(self) -> Statistics:
        """See `Storage`."""
        statistics: Statistics = await self._reader.call(reading.statistics, self._fenced)
        return statistics

    # Waiting

    async def wait_for_work(self, dispatcher_id: str, timeout: float) -> None:
        """See `Storage`."""
        if self._closed:
            raise StorageUnavailable(f"{self._writer.name} is closed; open a new storage")
        seen = self._waited.get(dispatcher_id, -1)
        with self._writer.watching():
            await self._work.wait(seen, min(timeout, self._until_ready()))
        if self._until_ready() <= 0 and not self._closed:
            await self._write(claims.end_delays, None)
        self._waited[dispatcher_id] = self._work.version

    def _until_ready(self) -> float:
        """Seconds until the first delayed task becomes ready."""
        return inf if self._next_ready_at is None else seconds(self._next_ready_at) - self.clock()

    async def wait_for_completions(self, after: int, timeout: float, limit: int = 1000) -> list[Completion]:
        """See `Storage`."""
        found: list[Completion] = []
        version = self._completion.version
        with suppress(TimeoutError), self._writer.watching():
            async with asyncio.timeout(timeout):
                while not self._closed and not (found := await self._completions_if_any(after, limit)):
                    await self._completion.wait(version, timeout)
                    version = self._completion.version
        return found

    async def _completions_if_any(self, after: int, limit: int) -> list[Completion]:
        """Asks the file only if it may have something that is not known here; what others wrote is heard of anyway."""
        if self._recent.is_latest(after):
            return []
        return self._recent.completions(after, limit, self._now()) or await self.completions(after, limit)

    def _now(self) -> int:
        return micros(self.clock())

    # Access

    async def put_key(self, key_id: str, record: bytes) -> None:
        """See `Storage`."""
        await self._write_durably(keys.put_key, (key_id, record))

    async def list_keys(self) -> dict[str, bytes]:
        """See `Storage`."""
        records: dict[str, bytes] = await self._reader.call(keys.list_keys, None)
        return records

    async def delete_key(self, key_id: str) -> bool:
        """See `Storage`."""
        was_there: bool = await self._write_durably(keys.delete_key, key_id)
        return was_there

    # Housekeeping

    async def expire(self, limit: int = 1000) -> int:
        """See `Storage`."""
        dropped: int = await self._write(housekeeping.expire, limit, limit)
        return dropped

    async def report_dispatcher(self, info: DispatcherInfo) -> None:
        """See `Storage`."""
        await self._write(housekeeping.report_dispatcher, info)

    async def remove_dispatcher(self, dispatcher_id: str) -> None:
        """See `Storage`."""
        await self._write(housekeeping.remove_dispatcher, dispatcher_id)
        self._waited.pop(dispatcher_id, None)

    async def dispatchers(self) -> list[DispatcherInfo]:
        """See `Storage`."""
        reports: list[DispatcherInfo] = await self._reader.call(housekeeping.dispatchers, self.clock())
        return reports
