"""Tasks with a quota: they are counted for their owner, and wait in queues of their own."""

import sqlite3
from typing import NamedTuple

import msgspec

from mpcsfaas.model import Task
from mpcsfaas_storage_sqlite.rows import many, read_one


class Queue(NamedTuple):
    """What tasks that wait together have in common."""

    labels: list[str]
    owner: str | None = None
    """None of tasks without a quota."""
    max_running: int | None = None


def name_of_queue(task: Task) -> str:
    """The JSON of the task's labels; with a quota, that of its `Queue`."""
    labels = sorted(set(task.options.labels))
    return many(Queue(labels, task.quota.owner, task.quota.max_running) if task.quota else labels)


def read_queue(name: str) -> Queue:
    """The queue with this name."""
    words = msgspec.json.decode(name)
    return Queue(*words) if words and isinstance(words[0], list) else Queue(words)


class _Numbers(msgspec.Struct, array_like=True):
    queued: int
    running: int


class Owners:
    """How many tasks of each owner are queued, and run. It is looked at only for tasks with a quota."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._known: dict[str, _Numbers] = {}
        self._changed: set[str] = set()

    def queued(self, owner: str) -> int:
        """How many are QUEUED."""
        return self._numbers(owner).queued

    def running(self, owner: str) -> int:
        """How many are RUNNING."""
        return self._numbers(owner).running

    def count(self, owner: str, queued: int, running: int) -> None:
        """That many more."""
        numbers = self._numbers(owner)
        numbers.queued += queued
        numbers.running += running
        self._changed.add(owner)

    def save(self) -> None:
        """Write what has changed."""
        for owner in self._changed:
            numbers = self._known[owner]
            if numbers.queued or numbers.running:
                values = owner, numbers.queued, numbers.running
                self._connection.execute("INSERT OR REPLACE INTO owner (id, queued, running) VALUES (?, ?, ?)", values)
            else:
                self._connection.execute("DELETE FROM owner WHERE id = ?", (owner,))

    def _numbers(self, owner: str) -> _Numbers:
        if owner not in self._known:
            query = "SELECT queued, running FROM owner WHERE id = ?"
            self._known[owner] = read_one(self._connection, _Numbers, query, owner) or _Numbers(0, 0)
        return self._known[owner]
