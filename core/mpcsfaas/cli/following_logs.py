"""`mpcsfaas logs --follow`: what each attempt of tasks printed, as soon as the attempt has ended.

Workers send what an attempt printed when it ends, and the storage keeps that of the latest ended one; so there is
nothing of a running attempt, and of attempts that end quickly one after the other only the last may be seen.
"""

import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from mpcsfaas.client import Client
from mpcsfaas.client.records import Logs
from mpcsfaas.model import TaskRecord

PAUSE = 0.3
"""Seconds between two questions for the same tasks."""


class Printed(NamedTuple):
    """What an attempt printed, and how it ended."""

    logs: Logs
    attempt: int
    outcome: str
    is_last: bool


def follow(client: Client, task_ids: Sequence[str]) -> Iterator[Printed]:
    """What the attempts of tasks print, until all tasks have ended. Raises `GatewayError`, as for an unknown task."""
    shown = dict.fromkeys(task_ids, 0)
    while shown:
        for task_id, attempt in list(shown.items()):
            latest = _latest(client, task_id)
            if latest.attempt > attempt:
                yield latest
                shown[task_id] = latest.attempt
            if latest.is_last:
                del shown[task_id]
        if shown:
            time.sleep(PAUSE)


def _latest(client: Client, task_id: str) -> Printed:
    """The latest ended attempt; logs and record are read anew if another has ended between the two."""
    before = client.task(task_id)
    while True:
        logs, record = client.logs(task_id), client.task(task_id)
        if number_of(record) == number_of(before):
            return Printed(logs, number_of(record), outcome_of(record), record.state.is_terminal)
        before = record


def number_of(record: TaskRecord) -> int:
    """Of the latest attempt that has ended; 0 if none has."""
    return record.history[-1].number if record.history else 0


def outcome_of(record: TaskRecord) -> str:
    """How the latest attempt that has ended did so, or the task without one."""
    failure = record.history[-1].failure if record.history else record.failure
    return f"failed: {failure.kind}" if failure else record.state.lower() if record.state.is_terminal else "ended"
