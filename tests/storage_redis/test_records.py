"""Records: what goes in comes out, and Lua can tell those of a batch apart at a glance."""

import struct
import time
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from mpcsfaas.model import State, Task, TaskOptions, TaskRecord, TaskResult, new_task_id
from mpcsfaas.testing.storage_cases.world import make_function
from mpcsfaas_storage_redis import records

TEXT = st.text(st.characters(codec="utf-8"), max_size=50)
TASKS = st.builds(
    Task,
    id=TEXT,
    function_id=TEXT,
    payload=st.binary(max_size=10),
    serializer=TEXT,
    created_at=st.floats(0, 1e10),
    options=st.builds(
        TaskOptions,
        priority=st.integers(-(1 << 60), 1 << 60),
        deadline=st.none() | st.floats(0, 1e9),
        idempotency_key=st.none() | TEXT,
        group=st.none() | TEXT,
        labels=st.lists(TEXT, max_size=3).map(tuple),
    ),
)


def accepted(task: Task, position: int = 1) -> bytes:
    """Its record, as the script that accepts it completes it."""
    kind = records.kind(task.function_id, task.options)
    return struct.pack(">Qd", position, task.created_at) + records.pack_task(task, kind)


@given(TASKS)
def test_what_was_asked_for_is_told(task: Task) -> None:
    record = accepted(task)
    assert records.task(task.id, record, None, None) == TaskRecord(
        id=task.id,
        function_id=task.function_id,
        serializer=task.serializer,
        state=State.QUEUED,
        created_at=task.created_at,
        options=task.options,
        ready_at=task.created_at,
    )
    assert records.result(task.id, record, None, None) == TaskResult(task.id, State.QUEUED, task.serializer)
    assert records.attempt(task.id.encode(), record, task.payload).task == task
    assert records.created_at(record) == task.created_at


def test_hardly_two_records_of_a_batch_have_the_same_hash_in_lua() -> None:
    now = time.time()
    batch = [Task(new_task_id(), make_function("work").id, b"x", "dill", now) for _ in range(500)]
    hashes = Counter(lua_hash(accepted(task, position)) for position, task in enumerate(batch))
    assert max(hashes.values()) < 10, "Lua compares each string with all that have the same hash"


def lua_hash(text: bytes) -> int:
    """As Lua 5.1 does it: it looks at up to 32 bytes, from the end."""
    value = len(text)
    step = (len(text) >> 5) + 1
    for place in range(len(text), step - 1, -step):
        value = (value ^ ((value << 5) + (value >> 2) + text[place - 1])) & 0xFFFFFFFF
    return value
