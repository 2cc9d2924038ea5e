"""What the server tells of tasks that have just ended, to those who follow the feed. See `lua/parts/endings.lua`."""

from collections.abc import Iterator
from struct import Struct

from mpcsfaas.interfaces.storage import Completion
from mpcsfaas.model import State, TaskResult
from mpcsfaas.recent import Ended
from mpcsfaas_storage_redis import records

_NUMBERS = Struct(">QdcIIIII")
"""Sequence, when its result may go, letter of the state, and the sizes in bytes of the strings that follow."""


def read(message: bytes, database: bytes) -> list[Ended]:
    """The tasks that a message names, in the order of their sequence; none if it is of another database."""
    if not message.startswith(database):
        return []
    return list(_read(message, len(database)))


def _read(message: bytes, place: int) -> Iterator[Ended]:
    while place < len(message):
        sequence, drop_at, letter, *sizes = _NUMBERS.unpack_from(message, place)
        place += _NUMBERS.size
        strings = []
        for size in sizes:
            strings.append(message[place : place + size])
            place += size
        yield Ended(*_completion_and_result(sequence, records.STATES[letter], *strings), drop_at)


def _completion_and_result(
    sequence: int, state: State, task_id: bytes, group: bytes, head: bytes, value: bytes, failure: bytes
) -> tuple[Completion, TaskResult]:
    name = task_id.decode()
    return (
        Completion(sequence, name, records.unmark(group), state),
        records.ended_result(name, state, head, value, failure),
    )
