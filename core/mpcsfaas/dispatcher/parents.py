"""What became of the tasks that a claimed one comes after: it takes their results along, or fails with them."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from mpcsfaas.dispatcher.functions import FunctionCache
from mpcsfaas.dispatcher.outcomes import failed, parent_failure
from mpcsfaas.interfaces import Storage
from mpcsfaas.model import Attempt, AttemptKey, AttemptResult, ParentResult, TaskRecord, TaskResult


class Legacies(NamedTuple):
    """What parents leave to some attempts."""

    results: dict[AttemptKey, tuple[ParentResult, ...]]
    """Of those that have parents, all of which completed."""
    failures: list[AttemptResult]
    """The ends of those that have another parent."""


async def read_legacies(storage: Storage, functions: FunctionCache, attempts: Sequence[Attempt]) -> Legacies:
    """A parent of another tenant is unknown. Raises `StorageUnavailable`."""
    legacies = Legacies({}, [])
    children = [attempt for attempt in attempts if attempt.task.options.after]
    if not children:
        return legacies
    ids = list(dict.fromkeys(parent for child in children for parent in child.task.options.after))
    records = [record for record in await storage.get_tasks(ids) if record]
    results = {result.task_id: result for result in await storage.get_results(ids) if result}
    tenants = await _tenants(functions, records, children)
    owners = {record.id: tenants.get(record.function_id) for record in records}
    now = storage.clock()
    for child in children:
        tenant = tenants.get(child.task.function_id)
        own = {parent: results.get(parent) for parent in child.task.options.after if owners.get(parent) == tenant}
        _leave(legacies, child, own, now)
    return legacies


async def _tenants(
    functions: FunctionCache, parents: Sequence[TaskRecord], children: Sequence[Attempt]
) -> dict[str, str]:
    """Whose the functions of all these are."""
    wanted = {parent.function_id for parent in parents} | {child.task.function_id for child in children}
    return {function.id: function.tenant for function in (await functions.get(wanted)).values()}


def _leave(legacies: Legacies, child: Attempt, results: Mapping[str, TaskResult | None], now: float) -> None:
    given = []
    for parent in child.task.options.after:
        result = results.get(parent)
        if failure := parent_failure(parent, result):
            legacies.failures.append(failed(child, failure, now))
            return
        assert result is not None
        given.append(ParentResult(parent, result.serializer, result.value))
    legacies.results[child.key] = tuple(given)
