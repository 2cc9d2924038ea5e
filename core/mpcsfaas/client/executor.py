"""A platform as a `concurrent.futures.Executor`."""

from collections.abc import Callable, Iterable, Iterator
from concurrent import futures
from copy import copy
from functools import partial
from itertools import chain, islice
from typing import Any, Never, ParamSpec, TypeVar, Unpack, overload
from weakref import finalize

from mpcsfaas.client import operations
from mpcsfaas.client.chunks import run_chunk
from mpcsfaas.client.client import Client
from mpcsfaas.client.delivery import Delivery
from mpcsfaas.client.futures import TaskFuture
from mpcsfaas.client.mapping import grouped
from mpcsfaas.client.options import Options, checked
from mpcsfaas.model import State, TaskRecord

P = ParamSpec("P")
T = TypeVar("T")


_NO_SUCH = "It takes client, group and timeout."
_INSTEAD = {
    "max_workers": "How many calls run at once is the platform's: `mpcsfaas up --workers N`.",
    **dict.fromkeys(
        ("initializer", "initargs"),
        "Workers serve everybody. Have the function call what is to be done once in a process, under functools.cache.",
    ),
    **dict.fromkeys(
        ("mp_context", "max_tasks_per_child", "thread_name_prefix"),
        "Workers have processes of their own; leave it out.",
    ),
}


class Executor(futures.Executor):
    """Runs calls on a platform, as `ProcessPoolExecutor` does on this machine.

        with Executor("http://127.0.0.1:8000") as executor:
            squares = [executor.submit(pow, number, 2) for number in range(10_000)]
            for future in concurrent.futures.as_completed(squares):
                print(future.result())

    Submitting takes microseconds: tasks are sent by a thread of its own, in batches of whatever has piled up while the
    last request was under way. Results come over one stream. Both survive a gateway that is restarted; if it is
    away for longer than `timeout` seconds, the futures fail with `GatewayUnavailable`.

    Tasks are in a `group`, by which another process can take them up: see `attach`. Options of tasks are those of the
    client: `Executor(client.with_options(max_retries=2))`.

    Differences from the standard library: `cancel()` of a future stops a task that runs, too; `running()` is always
    False. As there, leaving the `with` block, or the interpreter's exit, waits for all futures.
    """

    def __init__(
        self,
        client: Client | str | None = None,
        *,
        group: str | None = None,
        timeout: float | None = None,
        **unsupported: Never,
    ) -> None:
        """`client` may be a gateway's URL; None means what `connect()` finds or starts.

        `group` is a new one by default. `timeout` is the client's by default. Raises `TypeError` for arguments of the
        standard library's executors, and says what there is instead.
        """
        for name in unsupported:
            raise TypeError(f"Executor takes no {name}. {_INSTEAD.get(name, _NO_SUCH)}")
        self._client, owned = _client_of(client)
        session = grouped(self._client.session, None, "executor", group)
        self.group: str = session.options["group"]
        """The group of all tasks that are submitted here."""
        self.futures: list[TaskFuture[Any]] = []
        """Of an executor from `attach`: the group's tasks from before, oldest first."""
        self._session = session if timeout is None else session._replace(timeout=timeout)
        self._origin: Executor | None = None
        self._delivery = Delivery(self._client, self._session, self.group, owned)
        finalize(self, self._delivery.close).atexit = False

    @classmethod
    def attach(cls, group: str, client: Client | str | None = None, *, timeout: float | None = None) -> "Executor":
        """Take up the tasks of a group that an executor submitted before, in this process or in one that died.

            with Executor.attach("nightly") as executor:
                for future in concurrent.futures.as_completed(executor.futures):
                    print(future.task_id, future.result())

        `executor.futures` has a future for each of them, ended or not, and more can be submitted. A result that has
        expired is a `ResultExpired`. Raises `GatewayUnavailable`.
        """
        executor = cls(client, group=group, timeout=timeout)
        records = executor._client.connection.perform(operations.group_records(executor._session, group))
        executor._adopt(records[::-1])
        return executor

    def _adopt(self, records: list[TaskRecord]) -> None:
        self.futures = [self._delivery.new_future(record.id) for record in records]
        pending = []
        for record, future in zip(records, self.futures, strict=True):
            if record.state is State.CANCELLED:
                future.mark_cancelled()
            elif record.expired:
                future.set_exception(operations.expired(record.id))
            else:
                pending.append(future)
        self._delivery.adopt(pending)

    def with_options(self, **options: Unpack[Options]) -> "Executor":
        """This executor, for calls with these options besides those of its client: the same group, the same life.

            executor.with_options(timeout=5, priority=1).submit(fetch, url)

        Raises `TypeError` for an unknown option or a value of the wrong type.
        """
        variant = copy(self)
        variant._session = self._session._replace(options={**self._session.options, **checked(options)})
        variant._origin = self  # Once nobody has that any more, no more calls are taken.
        return variant

    @overload
    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> TaskFuture[T]: ...
    @overload
    def submit(self, fn: str, /, *args: Any, **kwargs: Any) -> TaskFuture[Any]: ...
    def submit(self, fn: Callable[..., Any] | str, /, *args: Any, **kwargs: Any) -> TaskFuture[Any]:
        """Submit a call of a function, or of a function's id; its future, at once.

        Raises `SerializationError` for what cannot be sent, and `RuntimeError` after `shutdown`.
        """
        self._delivery.check_process()
        task = self._session.new_task(fn, args, kwargs)
        if task.item.get("idempotency_key") is not None:
            raise ValueError(
                "A future has a task of its own, so an idempotency_key is of no use here. Use Client.submit."
            )
        task.item["group"] = self.group
        return self._delivery.submit(task)

    def map(
        self, fn: Callable[..., T], *iterables: Iterable[Any], timeout: float | None = None, chunksize: int = 1
    ) -> Iterator[T]:
        """As in the standard library. With a `chunksize`, one task makes that many calls, which pays for short ones.

        The options of a decorated function, such as its `timeout`, are then those of the task.
        """
        if chunksize < 1:
            raise ValueError("chunksize must be >= 1.")
        if chunksize == 1:
            return super().map(fn, *iterables, timeout=timeout)
        packed = self._session.registry.pack(partial(run_chunk, getattr(fn, "function", fn)))
        tasks = self.with_options(**getattr(fn, "task_options", {}))
        run: Any = packed.id
        chunks = _chunks(zip(*iterables, strict=False), chunksize)
        return chain.from_iterable(super(Executor, tasks).map(run, chunks, timeout=timeout))

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more calls. `wait` for all futures to end; `cancel_futures` cancels them, also those that run."""
        if cancel_futures:
            self._delivery.cancel_all()
        self._delivery.close()
        if wait:
            self._delivery.join()

    def __repr__(self) -> str:
        options = {**self._session.options, "group": self.group}
        words = [f"{name}={value!r}" for name, value in options.items()]
        return f"<Executor {self._client.url} {', '.join(words)}{'' if self._delivery.is_open else ', closed'}>"


def _client_of(client: Client | str | None) -> tuple[Client, bool]:
    """The client, and whether it is the executor's own, to be closed with it."""
    if isinstance(client, Client):
        return client, False
    if isinstance(client, str):
        return Client(client), True
    if client is not None:
        raise TypeError(f"Neither a client nor the URL of a gateway: {client!r}. {_INSTEAD['max_workers']}")
    from mpcsfaas.client.embedded import connect

    return connect(), True


def _chunks(calls: Iterator[tuple[Any, ...]], size: int) -> Iterator[list[tuple[Any, ...]]]:
    while chunk := list(islice(calls, size)):
        yield chunk
