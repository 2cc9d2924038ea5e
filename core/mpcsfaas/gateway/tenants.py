"""One storage, many tenants: each has a view of it, in which nothing of the others exists.

A function is its tenant's, and a task is its function's. In the storage, a function of a tenant other than `default`
has an id of its own, made of the tenant and of the id that the tenant knows; so the same content is another function
for another tenant, and a foreign id leads nowhere. Ids of that kind have a version that no other function's id has.
Names of groups are kept with the tenant in front.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Generic, TypeVar

from msgspec import structs

from mpcsfaas.gateway.auth import ApiKey
from mpcsfaas.gateway.auth.keys import Scope
from mpcsfaas.gateway.coalescer import Coalescer
from mpcsfaas.gateway.context import Gateway
from mpcsfaas.gateway.counting import count_of_tenant
from mpcsfaas.gateway.storage_view import StorageView
from mpcsfaas.interfaces.storage import Enqueued, EnqueueStatus, Page, Statistics, TaskFilter
from mpcsfaas.model import (
    DEFAULT_TENANT,
    TENANTS_VERSION,
    DispatcherInfo,
    Function,
    Quota,
    State,
    Task,
    TaskLogs,
    TaskRecord,
    TaskResult,
    tenants_function_id,
)

T = TypeVar("T")
R = TypeVar("R")

GROUP_MARK = "tenant:"
NOWHERE = "nowhere"
"""In place of the id of another tenant's function or task: there is none of this id."""
PAGES_AT_ONCE = 100
"""Pages that one request looks through for something of its tenant's."""
REMEMBERED = 100_000

Send = Callable[[Sequence[T]], Awaitable[Sequence[R]]]


class Gateways:
    """The gateway as each tenant sees it."""

    def __init__(self, whole: Gateway) -> None:
        """`whole` sees everything; it is for the user who runs the gateway, where there are no keys."""
        self._whole = whole
        self._views: dict[tuple[str, Quota | None, bool], Gateway] = {}
        self._owners = Owners(whole.storage)

    def of(self, key: ApiKey | None) -> Gateway:
        """As the owner of a key sees it; the whole for None."""
        if key is None:
            return self._whole
        name = key.tenant, key.quota, key.grants(Scope.ADMIN)
        view = self._views.get(name)
        if view is None:
            view = self._views[name] = _view_of(self._whole, *name, self._owners)
        return view


@dataclass(frozen=True, slots=True)
class _Through(Generic[T, R]):
    submit: Send[T, R]


def _view_of(whole: Gateway, tenant: str, quota: Quota | None, is_admin: bool, owners: "Owners") -> Gateway:
    storage = TenantStorage(whole.storage, tenant, owners, quota)
    counts = whole.counts if is_admin else partial(count_of_tenant, storage)
    # A batch that a quota refuses is split, so what has one shares no batch with what belongs to others.
    enqueue = Coalescer(whole.storage.enqueue) if quota else whole.enqueue
    return replace(
        whole,
        storage=storage,
        enqueue=_Through(partial(storage.enqueue_by, enqueue.submit)),
        results=_Through(partial(storage.results_by, whole.results.submit)),
        group_name=storage.group,
        counts=counts,
    )


class Owners:
    """Whose functions and tasks are, as far as it has been asked; it never changes."""

    def __init__(self, storage: StorageView) -> None:
        self._storage = storage
        self._functions: _Memory[tuple[str, str]] = _Memory()
        self._tasks: _Memory[str] = _Memory()

    async def function(self, function_id: str) -> tuple[str, str]:
        """The tenant of a function, by its id in the storage, and the id that the tenant knows."""
        if not _is_made_here(function_id):
            return DEFAULT_TENANT, function_id
        known = self._functions.get(function_id)
        if known is None:
            found = await self._storage.get_function(function_id, include_deleted=True)
            if found is None:
                return "", ""
            known = found.tenant, found.public_id
            self._functions.update({function_id: known})
        return known

    async def tasks(self, task_ids: Sequence[str]) -> list[str]:
        """The tenant of each task; empty if there is none."""
        owners = {task_id: self._tasks.get(task_id) for task_id in task_ids}
        unknown = [task_id for task_id, owner in owners.items() if owner is None]
        for record in await self._storage.get_tasks(unknown) if unknown else []:
            if record is not None:
                owners[record.id], _ = await self.function(record.function_id)
                self.learn([record.id], owners[record.id] or "")
        return [owners[task_id] or "" for task_id in task_ids]

    def learn(self, task_ids: Iterable[str], tenant: str) -> None:
        """Remember whose tasks are."""
        self._tasks.update(dict.fromkeys(task_ids, tenant))


class _Memory(Generic[T]):
    """Remembers the latest: `REMEMBERED` entries at least, and twice as many at most, at no cost per entry."""

    def __init__(self) -> None:
        self._new: dict[str, T] = {}
        self._old: dict[str, T] = {}

    def get(self, name: str) -> T | None:
        found = self._new.get(name)
        return self._old.get(name) if found is None else found

    def update(self, news: Mapping[str, T]) -> None:
        self._new.update(news)
        if len(self._new) >= REMEMBERED:
            self._old, self._new = self._new, {}


class TenantStorage:
    """What one tenant sees of a storage. Everything else is unknown to it."""

    def __init__(self, storage: StorageView, tenant: str, owners: Owners, quota: Quota | None = None) -> None:
        """`quota` is what tasks come with that are submitted through this."""
        self._storage = storage
        self._tenant = tenant
        self._owners = owners
        self._quota = quota
        self._mark = f"{GROUP_MARK}{tenant}/"
        self.clock = storage.clock

    # Names

    def group(self, name: str) -> str:
        """The name of a group in the storage."""
        if self._tenant == DEFAULT_TENANT and not name.startswith(GROUP_MARK):
            return name
        return self._mark + name

    def _function(self, public_id: str) -> str:
        """The id of a function in the storage."""
        if self._tenant != DEFAULT_TENANT:
            return tenants_function_id(self._tenant, public_id)
        return NOWHERE if _is_made_here(public_id) else public_id

    # Functions

    async def put_function(self, function: Function) -> bool:
        """See `Storage`."""
        kept = structs.replace(function, id=self._function(function.id), tenant=self._tenant, public_id=function.id)
        return await self._storage.put_function(kept)

    async def get_function(self, function_id: str, include_deleted: bool = False) -> Function | None:
        """See `Storage`."""
        function = await self._storage.get_function(self._function(function_id), include_deleted)
        return function and self._shown_function(function)

    async def list_functions(self, cursor: str | None = None, limit: int = 100) -> Page[Function]:
        """See `Storage`."""
        for _ in range(PAGES_AT_ONCE):
            page = await self.look_at_functions(cursor, limit)
            cursor = page.cursor
            if page.items or cursor is None:
                break
        return page

    async def look_at_functions(self, cursor: str | None, limit: int) -> Page[Function]:
        """The tenant's among the next `limit` functions of all tenants."""
        page = await self._storage.list_functions(cursor, limit)
        mine = [self._shown_function(function) for function in page.items if function.tenant == self._tenant]
        return Page(mine, page.cursor)

    async def delete_function(self, function_id: str) -> bool:
        """See `Storage`."""
        return await self._storage.delete_function(self._function(function_id))

    def _shown_function(self, function: Function) -> Function:
        return structs.replace(function, id=function.public_id) if function.public_id else function

    # Tasks

    async def enqueue(self, tasks: Sequence[Task]) -> list[Enqueued]:
        """See `Storage`."""
        return list(await self.enqueue_by(self._storage.enqueue, tasks))

    async def enqueue_by(self, send: Send[Task, Enqueued], tasks: Sequence[Task]) -> Sequence[Enqueued]:
        """As `enqueue`, by this way to the storage."""
        kept = self._kept(tasks)
        if any(task.options.after for task in kept):
            kept = await self._without_foreign_parents(kept)
        answers = await send(kept)
        accepted = EnqueueStatus.ACCEPTED
        self._owners.learn([answer.task_id for answer in answers if answer.status is accepted], self._tenant)
        return answers

    def _kept(self, tasks: Sequence[Task]) -> Sequence[Task]:
        """Tasks as the storage has them. Few functions and groups have many tasks: each name is translated once."""
        functions = {name: self._function(name) for name in {task.function_id for task in tasks}}
        groups = {name: name and self.group(name) for name in {task.options.group for task in tasks}}
        if self._quota is None and all(name == kept for names in (functions, groups) for name, kept in names.items()):
            return tasks
        renamed = [_renamed(task, functions[task.function_id], groups[task.options.group]) for task in tasks]
        return [structs.replace(task, quota=self._quota) for task in renamed] if self._quota else renamed

    async def _without_foreign_parents(self, tasks: Sequence[Task]) -> Sequence[Task]:
        """Tasks whose parents are this tenant's, as far as they are known: another's are nowhere."""
        parents = list({parent for task in tasks for parent in task.options.after})
        owners = zip(parents, await self._owners.tasks(parents), strict=True)
        foreign = {parent for parent, owner in owners if owner not in ("", self._tenant)}
        return [_orphaned(task) if foreign.intersection(task.options.after) else task for task in tasks]

    async def cancel(self, task_ids: Sequence[str]) -> list[State | None]:
        """See `Storage`."""
        return await self._of_mine(self._storage.cancel, task_ids)

    async def get_results(self, task_ids: Sequence[str]) -> list[TaskResult | None]:
        """See `Storage`."""
        return list(await self.results_by(self._storage.get_results, task_ids))

    async def results_by(
        self, send: Send[str, TaskResult | None], task_ids: Sequence[str]
    ) -> Sequence[TaskResult | None]:
        """As `get_results`, by this way to the storage."""
        return await self._of_mine(send, task_ids)

    async def get_payloads(self, task_ids: Sequence[str]) -> list[bytes | None]:
        """See `Storage`."""
        return await self._of_mine(self._storage.get_payloads, task_ids)

    async def get_logs(self, task_id: str) -> TaskLogs | None:
        """See `Storage`."""
        (owner,) = await self._owners.tasks([task_id])
        return await self._storage.get_logs(task_id) if owner == self._tenant else None

    async def get_tasks(self, task_ids: Sequence[str]) -> list[TaskRecord | None]:
        """See `Storage`."""
        return [record and await self._shown_task(record) for record in await self._storage.get_tasks(task_ids)]

    async def list_tasks(self, criteria: TaskFilter, cursor: str | None = None, limit: int = 100) -> Page[TaskRecord]:
        """See `Storage`. A page may be short, or empty, and yet have a cursor."""
        for _ in range(PAGES_AT_ONCE):
            page = await self.look_at_tasks(criteria, cursor, limit)
            cursor = page.cursor
            if page.items or cursor is None:
                break
        return page

    async def look_at_tasks(self, criteria: TaskFilter, cursor: str | None, limit: int) -> Page[TaskRecord]:
        """The tenant's among the next `limit` tasks of all tenants."""
        kept = TaskFilter(
            criteria.state,
            criteria.function_id and self._function(criteria.function_id),
            criteria.group and self.group(criteria.group),
        )
        page = await self._storage.list_tasks(kept, cursor, limit)
        mine = [shown for record in page.items if (shown := await self._shown_task(record))]
        return Page(mine, page.cursor)

    async def _of_mine(
        self, send: Callable[[Sequence[str]], Awaitable[Sequence[R | None]]], task_ids: Sequence[str]
    ) -> list[R | None]:
        """Ask for the tenant's own tasks only; None for the others."""
        owners = await self._owners.tasks(task_ids)
        mine = [task_id for task_id, owner in zip(task_ids, owners, strict=True) if owner == self._tenant]
        answers = iter(await send(mine) if mine else [])
        return [next(answers) if owner == self._tenant else None for owner in owners]

    async def _shown_task(self, record: TaskRecord) -> TaskRecord | None:
        """A task as its tenant knows it; None if it is another's."""
        tenant, function_id = await self._owners.function(record.function_id)
        if tenant != self._tenant:
            return None
        group = record.options.group
        if group is None or not group.startswith(self._mark):
            return record if function_id == record.function_id else structs.replace(record, function_id=function_id)
        options = structs.replace(record.options, group=group.removeprefix(self._mark))
        return structs.replace(record, function_id=function_id, options=options)

    # The platform, which the scope `admin` is needed for

    async def statistics(self) -> Statistics:
        """See `Storage`: of all tenants."""
        return await self._storage.statistics()

    async def dispatchers(self) -> list[DispatcherInfo]:
        """See `Storage`."""
        return await self._storage.dispatchers()


def _renamed(task: Task, function_id: str, group: str | None) -> Task:
    if group == task.options.group:
        return structs.replace(task, function_id=function_id)
    return structs.replace(task, function_id=function_id, options=structs.replace(task.options, group=group))


def _orphaned(task: Task) -> Task:
    return structs.replace(task, options=structs.replace(task.options, after=(NOWHERE,)))


def _is_made_here(function_id: str) -> bool:
    return function_id[14:15] == str(TENANTS_VERSION)
