"""What `Client` and `AsyncClient` have in common: settings, options, and being copied to another process."""

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Generic, Literal, NamedTuple, Self, TypeAlias, TypeVar, Unpack

from mpcsfaas.client.options import Options, checked
from mpcsfaas.client.payloads import DATA_ONLY, DEFAULT_SERIALIZER, Payloads
from mpcsfaas.client.session import Registry, Session

if TYPE_CHECKING:
    from mpcsfaas.client.async_connection import AsyncConnection
    from mpcsfaas.client.connection import Connection

C = TypeVar("C", "Connection", "AsyncConnection")

DEFAULT_URL = "http://127.0.0.1:8000"
DEFAULT_TIMEOUT = 30.0

Trust: TypeAlias = Literal["pickle", "json"]


class _Settings(NamedTuple):
    url: str
    serializer: str
    timeout: float
    by_value: tuple[str, ...]
    by_reference: tuple[str, ...]
    trust: Trust


class BaseClient(Generic[C]):
    """A client without its calls."""

    _connection: C
    _connection_class: type[C]

    def __init__(
        self,
        url: str | None = None,
        *,
        serializer: str | None = None,
        timeout: float = DEFAULT_TIMEOUT,
        by_value: Iterable[str] = (),
        by_reference: Iterable[str] = (),
        trust: Trust = "pickle",
        key: str | None = None,
    ) -> None:
        """`url` defaults to `MPCSFAAS_URL`, then to port 8000 of this machine; `key`, to `MPCSFAAS_API_KEY`.

        `serializer` writes arguments and results: `cloudpickle`, which is the default, `dill`, `msgpack`, `json` or a
        plugin's. Functions are written by `cloudpickle` if it cannot write them. `timeout` is in seconds.

        `trust="json"` never unpickles what comes from the platform, which could run code here: arguments and results
        are plain data (`json` by default, or `msgpack`), exceptions come as text, in a `RemoteError`.

        Raises `ValueError` for a URL or an API key that is none and for a serializer that is not trusted, and
        `PluginError` for an unknown serializer.
        """
        address = os.environ.get("MPCSFAAS_URL") or DEFAULT_URL if url is None else url
        name = _serializer(serializer, trust)
        self._settings = _Settings(address, name, timeout, tuple(by_value), tuple(by_reference), trust)
        secret = os.environ.get("MPCSFAAS_API_KEY") or None if key is None else key
        self._connection = self._connection_class(address, timeout, secret)
        payloads = Payloads(name, self._settings.by_value, self._settings.by_reference, data_only=trust == "json")
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
        """Never the key."""
        options = "".join(f", {name}={value!r}" for name, value in self._session.options.items())
        return f"{type(self).__name__}({self.url!r}{options})"

    def __reduce__(self) -> tuple[Any, ...]:
        """A function may use a client: in the worker it connects anew. The key stays here, for tasks are stored."""
        return rebuild, (type(self), self._settings, dict(self._session.options))


def rebuild(cls: type[BaseClient[Any]], settings: tuple[Any, ...], options: Options) -> BaseClient[Any]:
    """A client like one in another process."""
    url, serializer, timeout, by_value, by_reference, trust = settings
    client = cls(url, serializer=serializer, timeout=timeout, by_value=by_value, by_reference=by_reference, trust=trust)
    return client.with_options(**options)


def _serializer(name: str | None, trust: str) -> str:
    """The serializer that was chosen, or the default. Raises `ValueError` for one that is not trusted."""
    if trust == "pickle":
        return name or DEFAULT_SERIALIZER
    if trust != "json":
        raise ValueError(
            f"trust={trust!r} is neither 'pickle', which reads whatever comes, nor 'json', plain data only."
        )
    if name not in (None, *DATA_ONLY):
        raise ValueError(
            f"With trust='json' nothing is unpickled, so serializer={name!r} cannot be read."
            f" Choose {' or '.join(DATA_ONLY)}."
        )
    return name or DATA_ONLY[0]
