"""The client for ordinary, blocking code."""

from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Any, Literal, ParamSpec, Self, TypeVar, Unpack, overload

from mpcsfaas.client import operations
from mpcsfaas.client.base import BaseClient
from mpcsfaas.client.connection import Connection
from mpcsfaas.client.function import Decorator, RemoteFunction
from mpcsfaas.client.handles import Awaited, BaseHandle
from mpcsfaas.client.mapping import MapPlan, map_blocking
from mpcsfaas.client.operations import Operation
from mpcsfaas.client.options import Options, checked
from mpcsfaas.client.progress import ProgressBar
from mpcsfaas.client.records import Dispatcher, FunctionInfo, Logs, Page, Statistics
from mpcsfaas.model import State, TaskRecord

P = ParamSpec("P")
T = TypeVar("T")
R = TypeVar("R")
T_co = TypeVar("T_co", covariant=True)


class Client(BaseClient[Connection]):
    """Runs Python functions on a platform.

        with Client("http://127.0.0.1:8000") as client:
            client.run(pow, 2, 10)                        # 1024
            handle = client.submit(pow, 2, 10)
            handle.result(timeout=5)

    Thread-safe, and usable in forked processes. Functions and classes of your own modules travel by value; `by_value`
    and `by_reference` name modules, with all below them, for which this is decided otherwise.

    Every call waits for a gateway that is away or busy for up to `timeout` seconds, then raises `GatewayUnavailable`;
    calls are safe to repeat, and are repeated. Other errors are in `mpcsfaas.client.errors`.
    """

    _connection_class = Connection

    @overload
    def function(self, function: Callable[P, T], /) -> RemoteFunction[P, T]: ...
    @overload
    def function(self, /, **options: Unpack[Options]) -> Decorator: ...
    def function(self, function: Any = None, /, **options: Unpack[Options]) -> Any:
        """Decorate a function so that it can run remotely; options are those of `with_options`.

        @client.function(timeout=5, max_retries=2)
        def double(x: int) -> int:
            return 2 * x

        double.remote(21).result()
        list(double.map(range(1000)))
        """
        decorate = Decorator(self, checked(options))
        return decorate if function is None else decorate(function)

    # Running

    def register(self, function: Callable[..., Any], name: str | None = None) -> str:
        """Send a function as it is now; its id. The same content has the same id, and is sent once.

        `submit` and its like do this by themselves at a function's first use. Call it again after changing what the
        function captures. Raises `SerializationError`, which names the part that cannot be serialised.
        """
        return self._perform(operations.register(self._session, function, name))

    @overload
    def submit(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> "TaskHandle[T]": ...
    @overload
    def submit(self, function: str, /, *args: Any, **kwargs: Any) -> "TaskHandle[Any]": ...
    def submit(self, function: Callable[..., Any] | str, /, *args: Any, **kwargs: Any) -> "TaskHandle[Any]":
        """Submit a call of a function, or of a function's id. When this returns, the task is accepted for good."""
        task = self._session.new_task(function, args, kwargs)
        return TaskHandle(self, self._perform(operations.submit(self._session, task)), task.function.name)

    @overload
    def submit_many(self, function: Callable[..., T], calls: Iterable[tuple[Any, ...]]) -> "list[TaskHandle[T]]": ...
    @overload
    def submit_many(self, function: str, calls: Iterable[tuple[Any, ...]]) -> "list[TaskHandle[Any]]": ...
    def submit_many(
        self, function: Callable[..., Any] | str, calls: Iterable[tuple[Any, ...]]
    ) -> "list[TaskHandle[Any]]":
        """Submit many calls in few requests: `client.submit_many(pow, [(2, 1), (2, 2)])`; the handles, in order.

        Raises the reason of the first refusal, if there is one; the tasks that were not refused are accepted.
        """
        tasks = [self._session.new_task(function, tuple(args), {}) for args in calls]
        verdicts = self._perform(operations.submit_many(self._session, tasks))
        return [
            TaskHandle(self, operations.accepted_id(verdict), task.function.name)
            for task, verdict in zip(tasks, verdicts, strict=True)
        ]

    @overload
    def run(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T: ...
    @overload
    def run(self, function: str, /, *args: Any, **kwargs: Any) -> Any: ...
    def run(self, function: Callable[..., Any] | str, /, *args: Any, **kwargs: Any) -> Any:
        """Submit a call and wait for its end; its value. Raises what the function raised, or `TaskFailed`."""
        task = self._session.new_task(function, args, kwargs)
        return self._perform(operations.run(self._session, task))

    def map(
        self,
        function: Callable[..., T],
        *iterables: Iterable[Any],
        unordered: bool = False,
        errors: Literal["raise", "return"] = "raise",
        progress: bool | None = None,
        batch_size: int = 500,
    ) -> Iterator[T]:
        """Call `function` on the items of `iterables`, as the builtin `map` does, many at a time.

        Values come in the order of the items, or as they are ready if `unordered`. An exception is raised in its place
        and ends the map, or is given as a value with `errors="return"`. Submitting begins at once, and is kept a few
        batches ahead of what you have consumed, so `iterables` may be endless. Leaving the loop, or an exception,
        cancels what has not ended. `progress` shows a bar; None means on a terminal and in a notebook.
        """
        plan = MapPlan(self._session, function, iterables, unordered, errors == "return", batch_size)
        return map_blocking(self._connection, plan, progress)

    # Tasks

    def task(self, task: "TaskHandle[Any] | str") -> TaskRecord:
        """A task's record: its state, options, failure and the history of its attempts. Raises `NotFound`."""
        return self._perform(operations.task(self._session, _id(task)))

    def status(self, task: "TaskHandle[Any] | str") -> State:
        """A task's state. Raises `NotFound`."""
        return _heard(task, self._perform(operations.status(self._session, _id(task))))

    @overload
    def result(self, task: "TaskHandle[T]", timeout: float | None = None) -> T: ...
    @overload
    def result(self, task: str, timeout: float | None = None) -> Any: ...
    def result(self, task: "TaskHandle[Any] | str", timeout: float | None = None) -> Any:
        """Wait for a task's end; its value.

        Raises what the function raised, `TaskFailed`, `ResultExpired`, `NotFound`, or `TimeoutError` after `timeout`
        seconds.
        """
        if isinstance(task, str):
            return self._perform(operations.result(self._session, task, timeout))
        if task.outcome is None:
            task.ended(self._perform(operations.outcome(self._session, task.id, timeout)))
        return task.unwrap()

    def as_completed(self, tasks: Iterable["TaskHandle[T]"], timeout: float | None = None) -> Iterator["TaskHandle[T]"]:
        """The handles of tasks, each as soon as its task has ended; its `result()` is then there at once.

        Raises `TimeoutError` after `timeout` seconds; the tasks go on.
        """
        awaited = Awaited(tasks, timeout, self._session.clock)
        yield from awaited.known
        while awaited:
            ids, wait = awaited.question()
            yield from awaited.answered(ids, self._perform(operations.ended(self._session, ids, wait)))

    def gather(
        self,
        tasks: Iterable["TaskHandle[T]"],
        timeout: float | None = None,
        *,
        errors: Literal["raise", "return"] = "raise",
        progress: bool | None = None,
    ) -> list[T]:
        """Wait for tasks; their values, in the order of the handles.

        The first exception is raised as soon as it is known, and the other tasks go on; with `errors="return"`
        exceptions are given as values. `progress` shows a bar, as in `map`. Raises `TimeoutError` after `timeout`
        seconds.
        """
        handles = list(tasks)
        with ProgressBar(len(handles), progress) as bar:
            for handle in self.as_completed(handles, timeout):
                handle.unwrap(errors == "return")
                bar.advance()
        return [handle.unwrap(errors == "return") for handle in handles]

    def cancel(self, task: "TaskHandle[Any] | str") -> State:
        """Cancel a task, running or not; its state afterwards: CANCELLED, or the end that came first."""
        return _heard(task, self._perform(operations.cancel(self._session, _id(task))))

    @overload
    def retry(self, task: "TaskHandle[T]") -> "TaskHandle[T]": ...
    @overload
    def retry(self, task: str) -> "TaskHandle[Any]": ...
    def retry(self, task: "TaskHandle[Any] | str") -> "TaskHandle[Any]":
        """Do a FAILED task again, with the same function, arguments and options: a new task, whose `retry_of` is this.

        There is only one for each task, so to ask twice gives the same. If that one fails, it is the one to be retried.
        Raises `NotFound`, `ResultExpired` if the arguments are kept no longer, or `RequestRefused` if it is not FAILED.
        """
        (verdict,) = self._perform(operations.retry(self._session, [_id(task)]))
        return TaskHandle(self, operations.accepted_id(verdict), "" if isinstance(task, str) else task.name)

    def logs(self, task: "TaskHandle[Any] | str") -> Logs:
        """What the task's latest finished attempt printed."""
        return self._perform(operations.logs(self._session, _id(task)))

    def tasks(
        self, state: State | str | None = None, function: str | None = None, group: str | None = None
    ) -> Iterator[TaskRecord]:
        """Tasks, newest first, fetched page by page; of one state, function id or group, if given."""
        return self._pages(lambda cursor: operations.tasks_page(self._session, state, function, group, cursor))

    def functions(self) -> Iterator[FunctionInfo]:
        """The registered functions, fetched page by page."""
        return self._pages(lambda cursor: operations.functions_page(self._session, cursor))

    def workers(self) -> list[Dispatcher]:
        """Every live dispatcher with its workers."""
        return self._perform(operations.workers(self._session))

    def stats(self) -> Statistics:
        """Counts of functions and tasks."""
        return self._perform(operations.stats(self._session))

    # Life

    def close(self) -> None:
        """Close the connections, also those of `with_options` variants. Tasks go on. Idempotent."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, type_: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _perform(self, operation: Operation[R]) -> R:
        return self._connection.perform(operation)

    def _pages(self, page: Callable[[str | None], Operation[Page[R]]]) -> Iterator[R]:
        cursor: str | None = None
        while True:
            answer = self._perform(page(cursor))
            yield from answer.items
            cursor = answer.cursor
            if cursor is None:
                return


class TaskHandle(BaseHandle[T_co]):
    """A task that was submitted. Keep its `id` to ask for it from anywhere: `client.result(id)`."""

    __slots__ = ("_client",)

    def __init__(self, client: Client, task_id: str, name: str = "") -> None:
        super().__init__(task_id, name)
        self._client = client

    def result(self, timeout: float | None = None) -> T_co:
        """As `Client.result`."""
        return self._client.result(self, timeout)

    def status(self) -> State:
        """As `Client.status`."""
        return self._client.status(self)

    def done(self) -> bool:
        """True once the task has ended, however it did."""
        return self.status().is_terminal

    def cancel(self) -> State:
        """As `Client.cancel`."""
        return self._client.cancel(self)

    def logs(self) -> Logs:
        """As `Client.logs`."""
        return self._client.logs(self)


def _id(task: TaskHandle[Any] | str) -> str:
    return task if isinstance(task, str) else task.id


def _heard(task: TaskHandle[Any] | str, state: State) -> State:
    return state if isinstance(task, str) else task.heard(state)
