"""Acceptance of tasks: all that wait to be accepted are judged together and written by a few statements."""

from collections import Counter
from collections.abc import Sequence

import msgspec

from mpcsfaas.errors import QueueFull, QuotaExceeded
from mpcsfaas.interfaces.storage import Enqueued, EnqueueStatus
from mpcsfaas.model import Quota, Task, TaskOptions
from mpcsfaas_storage_sqlite.owners import name_of_queue
from mpcsfaas_storage_sqlite.parents import hold
from mpcsfaas_storage_sqlite.rows import execute_values, many, micros, read
from mpcsfaas_storage_sqlite.schema import DELAYED, HELD, READY
from mpcsfaas_storage_sqlite.transaction import Transaction

Key = tuple[str, str]


class Head(msgspec.Struct, array_like=True):
    """What is never asked for by SQL, packed."""

    function_id: str
    serializer: str
    created_at: float
    options: TaskOptions
    retry_of: str | None = None
    quota: Quota | None = None


class _Id(msgspec.Struct, array_like=True):
    id: str


class _Numbered(msgspec.Struct, array_like=True):
    name: str
    number: int


class _KeyHolder(msgspec.Struct, array_like=True):
    function_id: str
    idempotency_key: str
    id: str


def enqueue(transaction: Transaction, batches: Sequence[Sequence[Task]]) -> list[list[Enqueued] | QueueFull]:
    """See `Storage.enqueue`; a batch for which there is no room is answered by `QueueFull`."""
    judge = _Judge(transaction, [task for batch in batches for task in batch])
    answers = [judge.judge(batch) for batch in batches]
    if judge.accepted:
        _write(transaction, judge)
        transaction.effects.work = True
    return answers


class _Judge:
    """Knows what is known already, and what has been accepted since."""

    def __init__(self, transaction: Transaction, tasks: Sequence[Task]) -> None:
        self.accepted: list[Task] = []
        counters = transaction.counters
        self._room = transaction.max_unfinished - counters.queued - counters.running
        self._limit = transaction.max_unfinished
        self._owners = transaction.owners
        self.functions = _function_numbers(transaction, tasks)
        self._ids = _known_ids(transaction, tasks)
        self._keys = _known_keys(transaction, tasks)

    def judge(self, batch: Sequence[Task]) -> list[Enqueued] | QueueFull:
        """Accept what can be accepted, or nothing if there is no room for it."""
        ids: set[str] = set()
        keys: dict[Key, str] = {}
        fresh: list[Task] = []
        answers = [self._answer(task, ids, keys, fresh) for task in batch]
        if fresh and len(self.accepted) + len(fresh) > self._room:
            return QueueFull(f"{self._limit} unfinished tasks are the limit, and it is reached; try again later")
        owned = [task.quota for task in fresh if task.quota]
        if owned and (excess := self._count(owned)):
            return excess
        self._ids |= ids
        self._keys |= keys
        self.accepted += fresh
        return answers

    def _count(self, quotas: Sequence[Quota]) -> QuotaExceeded | None:
        """Count tasks with these quotas as queued, unless there is no room for one of them."""
        wanted = Counter(quota.owner for quota in quotas)
        for quota in quotas:
            queued = self._owners.queued(quota.owner) + wanted[quota.owner]
            if quota.max_queued is not None and queued > quota.max_queued:
                return QuotaExceeded(quota.owner, quota.max_queued)
        for owner, number in wanted.items():
            self._owners.count(owner, number, 0)
        return None

    def _answer(self, task: Task, ids: set[str], keys: dict[Key, str], fresh: list[Task]) -> Enqueued:
        if task.id in self._ids or task.id in ids:
            return Enqueued(EnqueueStatus.DUPLICATE, task.id)
        key = _key(task)
        if key is not None and (earlier := self._keys.get(key) or keys.get(key)):
            return Enqueued(EnqueueStatus.DUPLICATE, earlier)
        if task.function_id not in self.functions:
            return Enqueued(EnqueueStatus.UNKNOWN_FUNCTION, task.id)
        if any(parent not in self._ids and parent not in ids for parent in task.options.after):
            return Enqueued(EnqueueStatus.UNKNOWN_PARENT, task.id)
        fresh.append(task)
        ids.add(task.id)
        if key is not None:
            keys[key] = task.id
        return Enqueued(EnqueueStatus.ACCEPTED, task.id)


def _key(task: Task) -> Key | None:
    key = task.options.idempotency_key
    return None if key is None else (task.function_id, key)


def _function_numbers(transaction: Transaction, tasks: Sequence[Task]) -> dict[str, int]:
    names = {task.function_id for task in tasks}
    query = "SELECT id AS name, number FROM function WHERE id IN (SELECT value FROM json_each(?)) AND deleted = 0"
    return {row.name: row.number for row in read(transaction.connection, _Numbered, query, many(names))}


def _known_ids(transaction: Transaction, tasks: Sequence[Task]) -> set[str]:
    """Of the tasks themselves and of their parents."""
    query = "SELECT id FROM task WHERE id IN (SELECT value FROM json_each(?))"
    names = many(name for task in tasks for name in (task.id, *task.options.after))
    return {row.id for row in read(transaction.connection, _Id, query, names)}


def _known_keys(transaction: Transaction, tasks: Sequence[Task]) -> dict[Key, str]:
    keys = {key for key in map(_key, tasks) if key}
    if not keys:
        return {}
    query = """
        SELECT function.id AS function_id, idempotency_key, task.id AS id
        FROM json_each(?) AS asked
        JOIN function ON function.id = json_extract(asked.value, '$[0]')
        JOIN task ON task.function = function.number AND idempotency_key = json_extract(asked.value, '$[1]')
        WHERE idempotency_key IS NOT NULL
    """
    rows = read(transaction.connection, _KeyHolder, query, many(keys))
    return {(row.function_id, row.idempotency_key): row.id for row in rows}


def _queue_numbers(transaction: Transaction, tasks: Sequence[Task]) -> dict[str, int]:
    """The number of each queue, by its name. Number 0 is that of tasks without labels and quota."""
    names = {_queue(task) for task in tasks if task.options.labels or task.quota}
    if not names:
        return {"[]": 0}
    execute_values(
        transaction.connection, "INSERT OR IGNORE INTO labels (names) (VALUES)", [(name,) for name in sorted(names)]
    )
    query = "SELECT names AS name, number FROM labels WHERE names IN (SELECT value FROM json_each(?))"
    return {row.name: row.number for row in read(transaction.connection, _Numbered, query, many([*names, "[]"]))}


def _queue(task: Task) -> str:
    return name_of_queue(task) if task.options.labels or task.quota else "[]"


INSERT_TASK = """
    INSERT INTO task (position, id, function, head, phase, priority, labels, created_at, ready_at, deadline_at, ttl,
        group_name, idempotency_key, owner) (VALUES)
"""
INSERT_PAYLOAD = "INSERT INTO payload (position, payload) (VALUES)"


def _write(transaction: Transaction, judge: _Judge) -> None:
    queues = _queue_numbers(transaction, judge.accepted)
    first = transaction.counters.position + 1
    rows = [
        _row(transaction, position, task, judge.functions[task.function_id], queues[_queue(task)])
        for position, task in enumerate(judge.accepted, first)
    ]
    execute_values(transaction.connection, INSERT_TASK, rows)
    payloads = [(position, task.payload) for position, task in enumerate(judge.accepted, first)]
    execute_values(transaction.connection, INSERT_PAYLOAD, payloads)
    parents = {
        position: task.options.after for position, task in enumerate(judge.accepted, first) if task.options.after
    }
    if parents:
        hold(transaction, parents)
    transaction.counters.position += len(rows)
    transaction.counters.add(READY, len(rows))


def _row(transaction: Transaction, position: int, task: Task, function: int, queue: int) -> tuple[object, ...]:
    options = task.options
    ready_at = transaction.now + micros(options.delay)
    phase = HELD if options.after else DELAYED if ready_at > transaction.now else READY
    if phase == DELAYED:
        transaction.delay_until(ready_at)
    return (
        position,
        task.id,
        function,
        _head(task),
        phase,
        options.priority,
        queue,
        micros(task.created_at),
        ready_at,
        None if options.deadline is None else micros(task.created_at + options.deadline),
        micros(options.ttl),
        options.group,
        options.idempotency_key,
        task.quota and task.quota.owner,
    )


def _head(task: Task) -> str:
    head = Head(task.function_id, task.serializer, task.created_at, task.options, task.retry_of, task.quota)
    return msgspec.json.encode(head).decode()
