"""What `Client` and `AsyncClient` have in common: settings, options, and being copied to another process."""

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, Self, TypeVar, Unpack

from mpcsfaas.client.options import Options, checked
from mpcsfaas.client.payloads import DEFAULT_SERIALIZER, Payloads
from mpcsfaas.client.session import Registry, Session

if TYPE_CHECKING:
    from mpcsfaas.client.async_connection import AsyncConnection
    from mpcsfaas.client.connection import Connection

C = TypeVar("C", "Connection", "AsyncConnection")

DEFAULT_URL = "http://127.0.0.1:8000"
DEFAULT_TIMEOUT = 30.0


class _Settings(NamedTuple):
    url: str
    serializer: str
    timeout: float
    by_value: tuple[str, ...]
    by_reference: tuple[str, ...]


class BaseClient(Generic[C]):
    """A client without its calls."""

    _connection: C
    _connection_class: type[C]

    def __init__(
        self,
        url: str | None = None,
        *,
        serializer: str = DEFAULT_SERIALIZER,
        timeout: float = DEFAULT_TIMEOUT,
        by_value: Iterable[str] = (),
        by_reference: Iterable[str] = (),
    ) -> None:
        """`url` defaults to `MPCSFAAS_URL`, then to port 8000 of this machine.

        `serializer` writes arguments and results: `cloudpickle`, `dill`, `msgpack`, `json` or a plugin's. Functions are
        written by `cloudpickle` if it cannot write them. `timeout` is in seconds.

        Raises `ValueError` for a URL that is none, and `PluginError` for an unknown serializer.
        """
        address = os.environ.get("MPCSFAAS_URL") or DEFAULT_URL if url is None else url
        self._settings = _Settings(address, serializer, timeout, tuple(by_value), tuple(by_reference))
        self._connection = self._connection_class(address, timeout)
        payloads = Payloads(serializer, self._settings.by_value, self._settings.by_reference)
        self._session = Session(Registry(payloads), timeout)

    @property
    def connection(self) -> C:
        """What performs this client's operations."""
        return self._connection

    @property
    def session(self) -> Session:
        """What this client's operations work with."""
        return self._session

    @property
    def url(self) -> str:
        """The gateway's URL."""
        return self._connection.url

    def with_options(self, **options: Unpack[Options]) -> Self:
        """A client on the same connections whose tasks have these options besides the ones they have already.

            client.with_options(timeout=5, max_retries=2).submit(fetch, url)

        Raises `TypeError` for an unknown option or a value of the wrong type.
        """
        variant = object.__new__(type(self))
        variant.__dict__.update(self.__dict__)
        variant._session = self._session._replace(options={**self._session.options, **checked(options)})
        return variant

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        """A function may use a client: in the worker it connects anew."""
        return rebuild, (type(self), self._settings, dict(self._session.options))


def rebuild(cls: type[BaseClient[Any]], settings: tuple[Any, ...], options: Options) -> BaseClient[Any]:
    """A client like one in another process."""
    url, serializer, timeout, by_value, by_reference = settings
    client = cls(url, serializer=serializer, timeout=timeout, by_value=by_value, by_reference=by_reference)
    return client.with_options(**options)
