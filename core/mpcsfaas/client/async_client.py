"""The client for asyncio."""

from collections.abc import AsyncIterator, Callable, Iterable
from types import TracebackType
from typing import Any, Literal, ParamSpec, Self, TypeVar, Unpack, overload

from mpcsfaas.client import operations
from mpcsfaas.client.async_connection import AsyncConnection
from mpcsfaas.client.async_mapping import map_async
from mpcsfaas.client.base import BaseClient
from mpcsfaas.client.function import AsyncDecorator, AsyncRemoteFunction
from mpcsfaas.client.handles import Awaited, BaseHandle
from mpcsfaas.client.mapping import MapPlan
from mpcsfaas.client.operations import Operation
from mpcsfaas.client.options import Options, checked
from mpcsfaas.client.progress import ProgressBar
from mpcsfaas.client.records import Dispatcher, FunctionInfo, Logs, Page, Statistics
from mpcsfaas.model import State, TaskRecord

P = ParamSpec("P")
T = TypeVar("T")
R = TypeVar("R")
T_co = TypeVar("T_co", covariant=True)


class AsyncClient(BaseClient[AsyncConnection]):
    """`Client` for asyncio: the same names and promises, awaited.

        async with AsyncClient("http://127.0.0.1:8000") as client:
            await client.run(pow, 2, 10)
            handle = await client.submit(pow, 2, 10)
            await handle.result(timeout=5)

    Use it from one event loop. Serialising happens on that loop, too.
    """

    _connection_class = AsyncConnection

    @overload
    def function(self, function: Callable[P, T], /) -> AsyncRemoteFunction[P, T]: ...
    @overload
    def function(self, /, **options: Unpack[Options]) -> AsyncDecorator: ...
    def function(self, function: Any = None, /, **options: Unpack[Options]) -> Any:
        """As `Client.function`; `remote` is awaited, and `map` is an asynchronous iterator."""
        decorate = AsyncDecorator(self, checked(options))
        return decorate if function is None else decorate(function)

    # Running

    async def register(self, function: Callable[..., Any], name: str | None = None) -> str:
        """As `Client.register`."""
        return await self._perform(operations.register(self._session, function, name))

    @overload
    async def submit(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> "AsyncTaskHandle[T]": ...
    @overload
    async def submit(self, function: str, /, *args: Any, **kwargs: Any) -> "AsyncTaskHandle[Any]": ...
    async def submit(self, function: Callable[..., Any] | str, /, *args: Any, **kwargs: Any) -> "AsyncTaskHandle[Any]":
        """As `Client.submit`."""
        task = self._session.new_task(function, args, kwargs)
        return AsyncTaskHandle(self, await self._perform(operations.submit(self._session, task)), task.function.name)

    @overload
    async def submit_many(
        self, function: Callable[..., T], calls: Iterable[tuple[Any, ...]]
    ) -> "list[AsyncTaskHandle[T]]": ...
    @overload
    async def submit_many(self, function: str, calls: Iterable[tuple[Any, ...]]) -> "list[AsyncTaskHandle[Any]]": ...
    async def submit_many(
        self, function: Callable[..., Any] | str, calls: Iterable[tuple[Any, ...]]
    ) -> "list[AsyncTaskHandle[Any]]":
        """As `Client.submit_many`."""
        tasks = [self._session.new_task(function, tuple(args), {}) for args in calls]
        verdicts = await self._perform(operations.submit_many(self._session, tasks))
        return [
            AsyncTaskHandle(self, operations.accepted_id(verdict), task.function.name)
            for task, verdict in zip(tasks, verdicts, strict=True)
        ]

    @overload
    async def run(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T: ...
    @overload
    async def run(self, function: str, /, *args: Any, **kwargs: Any) -> Any: ...
    async def run(self, function: Callable[..., Any] | str, /, *args: Any, **kwargs: Any) -> Any:
        """As `Client.run`."""
        task = self._session.new_task(function, args, kwargs)
        return await self._perform(operations.run(self._session, task))

    def map(
        self,
        function: Callable[..., T],
        *iterables: Iterable[Any],
        unordered: bool = False,
        errors: Literal["raise", "return"] = "raise",
        progress: bool | None = None,
        batch_size: int = 500,
    ) -> AsyncIterator[T]:
        """As `Client.map`, but submitting begins with the first item that is asked for.

        To end early, close the iterator (`contextlib.aclosing`): that cancels what has not ended.
        """
        plan = MapPlan(self._session, function, iterables, unordered, errors == "return", batch_size)
        return map_async(self._connection, plan, progress)

    # Tasks

    async def task(self, task: "AsyncTaskHandle[Any] | str") -> TaskRecord:
        """As `Client.task`."""
        return await self._perform(operations.task(self._session, _id(task)))

    async def status(self, task: "AsyncTaskHandle[Any] | str") -> State:
        """As `Client.status`."""
        return _heard(task, await self._perform(operations.status(self._session, _id(task))))

    @overload
    async def result(self, task: "AsyncTaskHandle[T]", timeout: float | None = None) -> T: ...
    @overload
    async def result(self, task: str, timeout: float | None = None) -> Any: ...
    async def result(self, task: "AsyncTaskHandle[Any] | str", timeout: float | None = None) -> Any:
        """As `Client.result`; the gateway does the waiting, hence the `timeout`."""
        if isinstance(task, str):
            return await self._perform(operations.result(self._session, task, timeout))
        if task.outcome is None:
            task.ended(await self._perform(operations.outcome(self._session, task.id, timeout)))
        return task.unwrap()

    async def as_completed(
        self, tasks: Iterable["AsyncTaskHandle[T]"], timeout: float | None = None
    ) -> AsyncIterator["AsyncTaskHandle[T]"]:
        """As `Client.as_completed`."""
        awaited = Awaited(tasks, timeout, self._session.clock)
        for handle in awaited.known:
            yield handle
        while awaited:
            ids, wait = awaited.question()
            for handle in awaited.answered(ids, await self._perform(operations.ended(self._session, ids, wait))):
                yield handle

    async def gather(
        self,
        tasks: Iterable["AsyncTaskHandle[T]"],
        timeout: float | None = None,
        *,
        errors: Literal["raise", "return"] = "raise",
        progress: bool | None = None,
    ) -> list[T]:
        """As `Client.gather`."""
        handles = list(tasks)
        with ProgressBar(len(handles), progress) as bar:
            async for handle in self.as_completed(handles, timeout):
                handle.unwrap(errors == "return")
                bar.advance()
        return [handle.unwrap(errors == "return") for handle in handles]

    async def cancel(self, task: "AsyncTaskHandle[Any] | str") -> State:
        """As `Client.cancel`."""
        return _heard(task, await self._perform(operations.cancel(self._session, _id(task))))

    @overload
    async def retry(self, task: "AsyncTaskHandle[T]") -> "AsyncTaskHandle[T]": ...
    @overload
    async def retry(self, task: str) -> "AsyncTaskHandle[Any]": ...
    async def retry(self, task: "AsyncTaskHandle[Any] | str") -> "AsyncTaskHandle[Any]":
        """As `Client.retry`."""
        (verdict,) = await self._perform(operations.retry(self._session, [_id(task)]))
        return AsyncTaskHandle(self, operations.accepted_id(verdict), "" if isinstance(task, str) else task.name)

    async def logs(self, task: "AsyncTaskHandle[Any] | str") -> Logs:
        """As `Client.logs`."""
        return await self._perform(operations.logs(self._session, _id(task)))

    def tasks(
        self, state: State | str | None = None, function: str | None = None, group: str | None = None
    ) -> AsyncIterator[TaskRecord]:
        """As `Client.tasks`."""
        return self._pages(lambda cursor: operations.tasks_page(self._session, state, function, group, cursor))

    def functions(self) -> AsyncIterator[FunctionInfo]:
        """As `Client.functions`."""
        return self._pages(lambda cursor: operations.functions_page(self._session, cursor))

    async def workers(self) -> list[Dispatcher]:
        """As `Client.workers`."""
        return await self._perform(operations.workers(self._session))

    async def stats(self) -> Statistics:
        """As `Client.stats`."""
        return await self._perform(operations.stats(self._session))

    # Life

    async def close(self) -> None:
        """As `Client.close`."""
        await self._connection.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, type_: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def _perform(self, operation: Operation[R]) -> R:
        return await self._connection.perform(operation)

    async def _pages(self, page: Callable[[str | None], Operation[Page[R]]]) -> AsyncIterator[R]:
        cursor: str | None = None
        while True:
            answer = await self._perform(page(cursor))
            for item in answer.items:
                yield item
            cursor = answer.cursor
            if cursor is None:
                return


class AsyncTaskHandle(BaseHandle[T_co]):
    """A task that was submitted; see `TaskHandle`."""

    __slots__ = ("_client",)

    def __init__(self, client: AsyncClient, task_id: str, name: str = "") -> None:
        super().__init__(task_id, name)
        self._client = client

    async def result(self, timeout: float | None = None) -> T_co:
        """As `AsyncClient.result`."""
        return await self._client.result(self, timeout)

    async def status(self) -> State:
        """As `AsyncClient.status`."""
        return await self._client.status(self)

    async def done(self) -> bool:
        """True once the task has ended, however it did."""
        return (await self.status()).is_terminal

    async def cancel(self) -> State:
        """As `AsyncClient.cancel`."""
        return await self._client.cancel(self)

    async def logs(self) -> Logs:
        """As `AsyncClient.logs`."""
        return await self._client.logs(self)


def _id(task: AsyncTaskHandle[Any] | str) -> str:
    return task if isinstance(task, str) else task.id


def _heard(task: AsyncTaskHandle[Any] | str, state: State) -> State:
    return state if isinstance(task, str) else task.heard(state)
