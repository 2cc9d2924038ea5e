"""What a gateway needs of a storage; so that it can be given a part of one."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeVar

from mpcsfaas.interfaces.storage import Enqueued, Page, Statistics, TaskFilter
from mpcsfaas.model import DispatcherInfo, Function, State, Task, TaskLogs, TaskRecord, TaskResult

T = TypeVar("T", contravariant=True)
R = TypeVar("R", covariant=True)


class Batches(Protocol[T, R]):
    """Answers one result per item, in order."""

    def submit(self, items: Sequence[T], /) -> Awaitable[Sequence[R]]:
        """See `Coalescer.submit`."""


class StorageView(Protocol):
    """The methods of `Storage` that routes use; each does what it does there."""

    @property
    def clock(self) -> Callable[[], float]: ...  # noqa: D102
    async def put_function(self, function: Function) -> bool: ...  # noqa: D102
    async def get_function(self, function_id: str, include_deleted: bool = False) -> Function | None: ...  # noqa: D102
    async def list_functions(self, cursor: str | None = None, limit: int = 100) -> Page[Function]: ...  # noqa: D102
    async def delete_function(self, function_id: str) -> bool: ...  # noqa: D102
    async def enqueue(self, tasks: Sequence[Task]) -> list[Enqueued]: ...  # noqa: D102
    async def cancel(self, task_ids: Sequence[str]) -> list[State | None]: ...  # noqa: D102
    async def get_tasks(self, task_ids: Sequence[str]) -> list[TaskRecord | None]: ...  # noqa: D102
    async def get_results(self, task_ids: Sequence[str]) -> list[TaskResult | None]: ...  # noqa: D102
    async def get_payloads(self, task_ids: Sequence[str]) -> list[bytes | None]: ...  # noqa: D102
    async def get_logs(self, task_id: str) -> TaskLogs | None: ...  # noqa: D102
    async def list_tasks(  # noqa: D102
        self, criteria: TaskFilter, cursor: str | None = None, limit: int = 100
    ) -> Page[TaskRecord]: ...
    async def statistics(self) -> Statistics: ...  # noqa: D102
    async def dispatchers(self) -> list[DispatcherInfo]: ...  # noqa: D102
