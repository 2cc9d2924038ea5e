"""What `@client.function` makes of a function."""

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from functools import update_wrapper
from typing import TYPE_CHECKING, Any, Generic, Literal, ParamSpec, TypeVar, Unpack

from mpcsfaas.client.options import Options, checked

if TYPE_CHECKING:
    from mpcsfaas.client.async_client import AsyncClient, AsyncTaskHandle
    from mpcsfaas.client.client import Client, TaskHandle

P = ParamSpec("P")
T = TypeVar("T")


class RemoteFunction(Generic[P, T]):
    """A function that also runs remotely. Called plainly, it runs here, as ever.

    Its options come before those of the client it is run with.
    """

    __name__: str

    def __init__(self, client: "Client", function: Callable[P, T], options: Mapping[str, Any]) -> None:
        update_wrapper(self, function)
        self.client = client
        self.function = function
        self.task_options = options

    def remote(self, *args: P.args, **kwargs: P.kwargs) -> "TaskHandle[T]":
        """Submit a call; see `Client.submit`."""
        return self.client.submit(self, *args, **kwargs)

    def local(self, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run it here."""
        return self.function(*args, **kwargs)

    __call__ = local

    def map(
        self,
        *iterables: Iterable[Any],
        unordered: bool = False,
        errors: Literal["raise", "return"] = "raise",
        progress: bool | None = None,
        batch_size: int = 500,
    ) -> Iterator[T]:
        """Call it remotely on many items; see `Client.map`."""
        return self.client.map(
            self, *iterables, unordered=unordered, errors=errors, progress=progress, batch_size=batch_size
        )

    def with_options(self, **options: Unpack[Options]) -> "RemoteFunction[P, T]":
        """The same function with other options besides those it has already."""
        return RemoteFunction(self.client, self.function, {**self.task_options, **checked(options)})

    def __reduce__(self) -> tuple[Any, ...]:
        return RemoteFunction, (self.client, self.function, dict(self.task_options))

    def __repr__(self) -> str:
        return described(self, self.function, self.task_options)


class AsyncRemoteFunction(Generic[P, T]):
    """A function that also runs remotely, awaited. Called plainly, it runs here, as ever."""

    __name__: str

    def __init__(self, client: "AsyncClient", function: Callable[P, T], options: Mapping[str, Any]) -> None:
        update_wrapper(self, function)
        self.client = client
        self.function = function
        self.task_options = options

    async def remote(self, *args: P.args, **kwargs: P.kwargs) -> "AsyncTaskHandle[T]":
        """Submit a call; see `AsyncClient.submit`."""
        return await self.client.submit(self, *args, **kwargs)

    def local(self, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run it here."""
        return self.function(*args, **kwargs)

    __call__ = local

    def map(
        self,
        *iterables: Iterable[Any],
        unordered: bool = False,
        errors: Literal["raise", "return"] = "raise",
        progress: bool | None = None,
        batch_size: int = 500,
    ) -> AsyncIterator[T]:
        """Call it remotely on many items; see `AsyncClient.map`."""
        return self.client.map(
            self, *iterables, unordered=unordered, errors=errors, progress=progress, batch_size=batch_size
        )

    def with_options(self, **options: Unpack[Options]) -> "AsyncRemoteFunction[P, T]":
        """The same function with other options besides those it has already."""
        return AsyncRemoteFunction(self.client, self.function, {**self.task_options, **checked(options)})

    def __reduce__(self) -> tuple[Any, ...]:
        return AsyncRemoteFunction, (self.client, self.function, dict(self.task_options))

    def __repr__(self) -> str:
        return described(self, self.function, self.task_options)


class Decorator:
    """`@client.function(…)`: waits for the function."""

    def __init__(self, client: "Client", options: Mapping[str, Any]) -> None:
        self._client = client
        self._options = options

    def __call__(self, function: Callable[P, T]) -> RemoteFunction[P, T]:
        """Decorate."""
        return RemoteFunction(self._client, function, self._options)


class AsyncDecorator:
    """`@client.function(…)` of an `AsyncClient`."""

    def __init__(self, client: "AsyncClient", options: Mapping[str, Any]) -> None:
        self._client = client
        self._options = options

    def __call__(self, function: Callable[P, T]) -> AsyncRemoteFunction[P, T]:
        """Decorate."""
        return AsyncRemoteFunction(self._client, function, self._options)


def described(wrapper: object, function: Callable[..., Any], options: Mapping[str, Any]) -> str:
    """How a function that also runs remotely shows itself: its name, its signature and its options."""
    import inspect

    try:
        signature = str(inspect.signature(function))
    except (TypeError, ValueError):  # Some builtins have none.
        signature = "(...)"
    name = getattr(function, "__qualname__", None) or repr(function)
    words = [f"{type(wrapper).__name__} {name}{signature}", *(f"{name}={value!r}" for name, value in options.items())]
    return f"<{', '.join(words)}>"
