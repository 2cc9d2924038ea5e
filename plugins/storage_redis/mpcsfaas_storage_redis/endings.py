"""How attempts and tasks end."""

from collections.abc import Sequence

from mpcsfaas.model import TRANSITIONS, State, Transition
from mpcsfaas_storage_redis.client import Client, Word
from mpcsfaas_storage_redis.records import LETTERS, STATES, pack_attempt, pack_failure, pack_logs
from mpcsfaas_storage_redis.slices import slices


async def finish(client: Client, transitions: Sequence[Transition]) -> list[bool]:
    """See `Storage.finish`."""
    _check(transitions)
    applied: list[bool] = []
    for part in slices(transitions, _size):
        words = [word for transition in part for word in _words(transition)]
        applied += [bool(answer) for answer in await client.change("finish", *words)]
    return applied


def _check(transitions: Sequence[Transition]) -> None:
    for transition in transitions:
        if transition.to not in TRANSITIONS[State.RUNNING]:
            raise ValueError(f"task {transition.key.task_id} cannot go from RUNNING to {transition.to}")


def _size(transition: Transition) -> int:
    return len(transition.value) + len(transition.stdout) + len(transition.stderr)


def _words(transition: Transition) -> tuple[Word, ...]:
    return (
        *transition.key,
        LETTERS[transition.to],
        transition.budget.value,
        repr(float(transition.ready_at)),
        pack_attempt(transition.record),
        transition.value,
        pack_failure(transition.failure),
        pack_logs(transition.stdout, transition.stderr),
    )


async def cancel(client: Client, task_ids: Sequence[str]) -> list[State | None]:
    """See `Storage.cancel`."""
    states: list[State | None] = []
    for part in slices(task_ids):
        answers = await client.change("cancel", *part)
        states += [STATES.get(answer) for answer in answers]
    return states
