"""A storage of plain dictionaries: correct, readable and as slow as that makes it with very many tasks."""

import asyncio
import heapq
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from itertools import count, islice
from math import inf
from time import time
from typing import ClassVar

import msgspec

from mpcsfaas.errors import SettingsError, StorageUnavailable
from mpcsfaas.interfaces.storage import (
    Completion,
    Enqueued,
    EnqueueStatus,
    Page,
    Statistics,
    StorageOptions,
    TaskFilter,
)
from mpcsfaas.model import (
    TRANSITIONS,
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
from mpcsfaas.wakeup import WakeUp
from mpcsfaas_storage_memory.entry import Entry
from mpcsfaas_storage_memory.keys import KeepingKeys
from mpcsfaas_storage_memory.room import check_room, in_order, not_held, number_by_owner


class MemoryStorage(KeepingKeys):
    """Keeps everything in this object; other instances, also of the same URL, know nothing of it."""

    name: ClassVar[str] = "memory"

    def __init__(self, url: str, options: StorageOptions, clock: Callable[[], float] = time) -> None:
        super().__init__(url, options, clock)
        self._functions: dict[str, Function] = {}
        self._deleted: set[str] = set()
        self._entries: dict[str, Entry] = {}
        self._keys: dict[tuple[str, str], str] = {}
        self._positions = count(1)
        self._sequences = count(1)
        self._latest = 0
        self._fenced = 0
        self._dispatchers: dict[str, DispatcherInfo] = {}
        self._work = WakeUp()
        self._waited: dict[str, tuple[int, float]] = {}
        """The version of `_work` and the moment at which each dispatcher's last wait returned."""
        self._completion = WakeUp()
        self._closed = False

    async def open(self) -> None:
        """See `Storage`."""
        if self.url != f"{self.name}://":
            raise SettingsError(f"storage URL {self.url!r} has parts that are not known; write {self.name}://")

    async def close(self) -> None:
        """See `Storage`."""
        self._closed = True
        self._work.set()
        self._completion.set()

    # Functions

    async def put_function(self, function: Function) -> bool:
        """See `Storage`."""
        self._check_open()
        if function.id in self._functions and function.id not in self._deleted:
            return False
        self._functions[function.id] = function
        self._deleted.discard(function.id)
        return True

    async def get_function(self, function_id: str, include_deleted: bool = False) -> Function | None:
        """See `Storage`."""
        self._check_open()
        if function_id in self._deleted and not include_deleted:
            return None
        return self._functions.get(function_id)

    async def list_functions(self, cursor: str | None = None, limit: int = 100) -> Page[Function]:
        """See `Storage`."""
        self._check_open()
        after = cursor or ""
        ids = sorted(key for key in self._functions if key > after and key not in self._deleted)
        page = [msgspec.structs.replace(self._functions[key], payload=b"") for key in ids[:limit]]
        return Page(page, page[-1].id if len(ids) > limit else None)

    async def delete_function(self, function_id: str) -> bool:
        """See `Storage`."""
        self._check_open()
        if function_id not in self._functions or function_id in self._deleted:
            return False
        self._deleted.add(function_id)
        return True

    # The life of a task

    async def enqueue(self, tasks: Sequence[Task]) -> list[Enqueued]:
        """See `Storage`."""
        self._check_open()
        accepted: dict[str, Task] = {}
        keys: dict[tuple[str, str], str] = {}
        answers = [self._judge(task, accepted, keys) for task in tasks]
        if accepted:
            check_room(self._entries.values(), accepted.values(), self.options.max_unfinished)
        now = self.clock()
        for task in accepted.values():
            parents = [self._entries[parent] for parent in task.options.after]
            for parent in parents:
                parent.is_parent = True
            self._entries[task.id] = Entry(task, next(self._positions), now + task.options.delay, parents)
        self._keys |= keys
        if accepted:
            self._work.set()
        return answers

    def _judge(self, task: Task, accepted: dict[str, Task], keys: dict[tuple[str, str], str]) -> Enqueued:
        if task.id in self._entries or task.id in accepted:
            return Enqueued(EnqueueStatus.DUPLICATE, task.id)
        key = _idempotency(task)
        earlier = key and (self._keys.get(key) or keys.get(key))
        if earlier:
            return Enqueued(EnqueueStatus.DUPLICATE, earlier)
        if task.function_id not in self._functions or task.function_id in self._deleted:
            return Enqueued(EnqueueStatus.UNKNOWN_FUNCTION, task.id)
        if any(parent not in self._entries and parent not in accepted for parent in task.options.after):
            return Enqueued(EnqueueStatus.UNKNOWN_PARENT, task.id)
        accepted[task.id] = task
        if key:
            keys[key] = task.id
        return Enqueued(EnqueueStatus.ACCEPTED, task.id)

    async def claim(
        self, dispatcher_id: str, limit: int, lease: float, labels: Collection[frozenset[str]] = (frozenset(),)
    ) -> list[Attempt]:
        """See `Storage`."""
        self._check_open()
        now = self.clock()
        ready = (
            entry
            for entry in self._in_state(State.QUEUED)
            if entry.ready_at <= now
            and not entry.waits_for_parents
            and any(offered.issuperset(entry.task.options.labels) for offered in labels)
        )
        running = number_by_owner(self._in_state(State.RUNNING))
        chosen = islice(not_held(in_order(ready), running), limit)
        return [entry.claim(dispatcher_id, now, lease) for entry in list(chosen)]

    async def claim_lapsed(self, dispatcher_id: str, limit: int, lease: float) -> list[Attempt]:
        """See `Storage`."""
        self._check_open()
        now = self.clock()
        lapsed = [entry for entry in self._in_state(State.RUNNING) if entry.leased_until <= now]
        return [entry.take_over(dispatcher_id, now, lease) for entry in lapsed[:limit]]

    async def adopt(self, dispatcher_id: str, keys: Sequence[AttemptKey], lease: float) -> list[Attempt]:
        """See `Storage`."""
        self._check_open()
        now = self.clock()
        entries = ((self._entries.get(key.task_id), key) for key in dict.fromkeys(keys))
        return [entry.take_over(dispatcher_id, now, lease) for entry, key in entries if entry and entry.holds(key)]

    async def claim_overdue(
        self, dispatcher_id: str, limit: int, lease: float, default_deadline: float | None = None
    ) -> list[Attempt]:
        """See `Storage`."""
        self._check_open()
        now = self.clock()
        overdue = [entry for entry in self._in_state(State.QUEUED) if _is_overdue(entry.task, now, default_deadline)]
        return [entry.claim(dispatcher_id, now, lease) for entry in overdue[:limit]]

    async def renew(self, dispatcher_id: str, keys: Sequence[AttemptKey], lease: float) -> list[AttemptKey]:
        """See `Storage`."""
        self._check_open()
        until = self.clock() + lease
        lost = []
        for key in keys:
            entry = self._entries.get(key.task_id)
            if entry and entry.holds(key) and entry.holder == dispatcher_id:
                entry.leased_until = until
            else:
                lost.append(key)
        return lost

    async def finish(self, transitions: Sequence[Transition]) -> list[bool]:
        """See `Storage`."""
        self._check_open()
        for transition in transitions:
            if transition.to not in TRANSITIONS[State.RUNNING]:
                raise ValueError(f"task {transition.key.task_id} cannot go from RUNNING to {transition.to}")
        now = self.clock()
        return [self._finish(transition, now) for transition in transitions]

    def _finish(self, transition: Transition, now: float) -> bool:
        entry = self._entries.get(transition.key.task_id)
        if entry is None or not entry.holds(transition.key):
            self._fenced += 1
            return False
        entry.finish(transition, now, self._sequences)
        self._announce(entry)
        return True

    async def cancel(self, task_ids: Sequence[str]) -> list[State | None]:
        """See `Storage`."""
        self._check_open()
        now = self.clock()
        return [self._cancel(self._entries.get(task_id), now) for task_id in task_ids]

    def _cancel(self, entry: Entry | None, now: float) -> State | None:
        if entry is None:
            return None
        if not entry.state.is_terminal:
            entry.end(State.CANCELLED, now, self._sequences)
            self._announce(entry)
        return entry.state

    def _announce(self, entry: Entry) -> None:
        if entry.state.is_terminal:
            self._latest = entry.sequence
            self._completion.set()
        if entry.state in (State.QUEUED, State.CANCELLED) or entry.task.quota or entry.is_parent:
            self._work.set()

    async def take_cancellations(self, dispatcher_id: str) -> list[AttemptKey]:
        """See `Storage`."""
        self._check_open()
        told = [entry for entry in self._in_state(State.CANCELLED) if entry.holder == dispatcher_id]
        for entry in told:
            entry.holder = None
        return [AttemptKey(entry.task.id, entry.attempt) for entry in told]

    # Reading

    async def get_tasks(self, task_ids: Sequence[str]) -> list[TaskRecord | None]:
        """See `Storage`."""
        self._check_open()
        return [entry.record() if (entry := self._entries.get(task_id)) else None for task_id in task_ids]

    async def get_results(self, task_ids: Sequence[str]) -> list[TaskResult | None]:
        """See `Storage`."""
        self._check_open()
        return [entry.result() if (entry := self._entries.get(task_id)) else None for task_id in task_ids]

    async def get_payloads(self, task_ids: Sequence[str]) -> list[bytes | None]:
        """See `Storage`."""
        self._check_open()
        return [entry.payload() if (entry := self._entries.get(task_id)) else None for task_id in task_ids]

    async def get_logs(self, task_id: str) -> TaskLogs | None:
        """See `Storage`."""
        self._check_open()
        entry = self._entries.get(task_id)
        return entry.logs() if entry else None

    async def list_tasks(self, criteria: TaskFilter, cursor: str | None = None, limit: int = 100) -> Page[TaskRecord]:
        """See `Storage`."""
        self._check_open()
        before = inf if cursor is None else _position(cursor)
        matching = (
            entry for entry in reversed(self._entries.values()) if entry.position < before and _matches(entry, criteria)
        )
        page = list(islice(matching, limit + 1))
        more = len(page) > limit
        return Page([entry.record() for entry in page[:limit]], str(page[limit - 1].position) if more else None)

    async def completions(self, after: int, limit: int = 1000, group: str | None = None) -> list[Completion]:
        """See `Storage`."""
        self._check_open()
        feed = (
            entry
            for entry in self._entries.values()
            if entry.sequence > after and not entry.expired and group in (None, entry.task.options.group)
        )
        chosen = heapq.nsmallest(limit, feed, key=lambda entry: entry.sequence)
        return [Completion(entry.sequence, entry.task.id, entry.task.options.group, entry.state) for entry in chosen]

    async def latest_completion(self) -> int:
        """See `Storage`."""
        self._check_open()
        return self._latest

    async def statistics(self) -> Statistics:
        """See `Storage`. Here, it counts."""
        self._check_open()
        queued = list(self._in_state(State.QUEUED))
        return Statistics(
            queued=len(queued),
            running=sum(1 for _ in self._in_state(State.RUNNING)),
            completed=sum(1 for _ in self._in_state(State.COMPLETED)),
            failed=sum(1 for _ in self._in_state(State.FAILED)),
            cancelled=sum(1 for _ in self._in_state(State.CANCELLED)),
            functions=len(self._functions) - len(self._deleted),
            fenced=self._fenced,
            oldest_queued_at=queued[0].task.created_at if queued else None,
        )

    # Waiting

    async def wait_for_work(self, dispatcher_id: str, timeout: float) -> None:
        """See `Storage`."""
        self._check_open()
        version, moment = self._waited.get(dispatcher_id, (-1, 0.0))
        due = min((entry.ready_at for entry in self._in_state(State.QUEUED) if entry.ready_at > moment), default=inf)
        await self._work.wait(version, min(timeout, due - self.clock()))
        self._waited[dispatcher_id] = self._work.version, self.clock()

    async def wait_for_completions(self, after: int, timeout: float, limit: int = 1000) -> list[Completion]:
        """See `Storage`."""
        self._check_open()
        found: list[Completion] = []
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                while not self._closed and not (found := await self.completions(after, limit)):
                    await self._completion.wait(self._completion.version, timeout)
        return found

    # Housekeeping

    async def expire(self, limit: int = 1000) -> int:
        """See `Storage`."""
        self._check_open()
        now = self.clock()
        due = [entry for entry in self._entries.values() if entry.state.is_terminal and entry.drop_at <= now]
        for entry in [entry for entry in due if entry.expired][:limit]:
            self._forget(entry)
        fresh = [entry for entry in due if not entry.expired][:limit]
        for entry in fresh:
            entry.expire(now)
        return len(fresh)

    def _forget(self, entry: Entry) -> None:
        del self._entries[entry.task.id]
        key = _idempotency(entry.task)
        if key:
            del self._keys[key]

    async def report_dispatcher(self, info: DispatcherInfo) -> None:
        """See `Storage`."""
        self._check_open()
        self._dispatchers[info.id] = info

    async def remove_dispatcher(self, dispatcher_id: str) -> None:
        """See `Storage`."""
        self._check_open()
        self._dispatchers.pop(dispatcher_id, None)
        self._waited.pop(dispatcher_id, None)

    async def dispatchers(self) -> list[DispatcherInfo]:
        """See `Storage`."""
        self._check_open()
        now = self.clock()
        self._dispatchers = {key: info for key, info in self._dispatchers.items() if info.expires_at > now}
        return list(self._dispatchers.values())

    def _in_state(self, state: State) -> Iterable[Entry]:
        return (entry for entry in self._entries.values() if entry.state is state)

    def _check_open(self) -> None:
        if self._closed:
            raise StorageUnavailable("memory storage is closed; open a new one")


def _idempotency(task: Task) -> tuple[str, str] | None:
    key = task.options.idempotency_key
    return None if key is None else (task.function_id, key)


def _position(cursor: str) -> int:
    if not (cursor.isdecimal() and len(cursor) < 19):
        raise ValueError(f"cursor {cursor!r} was not made by this storage; start without one")
    return int(cursor)


def _is_overdue(task: Task, now: float, default_deadline: float | None) -> bool:
    deadline = default_deadline if task.options.deadline is None else task.options.deadline
    return deadline is not None and task.created_at + deadline <= now


def _matches(entry: Entry, criteria: TaskFilter) -> bool:
    return (
        criteria.state in (None, entry.state)
        and criteria.function_id in (None, entry.task.function_id)
        and criteria.group in (None, entry.task.options.group)
    )
