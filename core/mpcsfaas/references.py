"""How a task's arguments name the result of another task, whatever serializer writes them: as plain data.

`{"$result": ID}`, an object with this one key, stands for the result of the task with this id. It is looked for in
lists, tuples and dictionaries of any depth, if the task comes after others, and means one of these.
"""

from collections.abc import Callable, Collection
from typing import Any

KEY = "$result"


def reference(task_id: str) -> dict[str, str]:
    """What stands for a task's result."""
    return {KEY: task_id}


def resolved(value: Any, task_ids: Collection[str], load: Callable[[str], Any]) -> Any:
    """The value with what `load` gives in the place of each reference to one of these tasks. Subclasses are left be."""
    kind = type(value)
    if kind is dict:
        if len(value) == 1 and isinstance(task_id := value.get(KEY), str) and task_id in task_ids:
            return load(task_id)
        return {key: resolved(item, task_ids, load) for key, item in value.items()}
    if kind is list or kind is tuple:
        return kind(resolved(item, task_ids, load) for item in value)
    return value
