"""How client commands find the gateway, and what they ask it beyond what the SDK offers."""

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, NamedTuple

import typer
from msgspec import Struct

from mpcsfaas.client import Client
from mpcsfaas.client.base import DEFAULT_TIMEOUT, Trust
from mpcsfaas.client.errors import GatewayError, NotFound, RequestRefused
from mpcsfaas.client.exchange import Request, decode, error_of, get, post
from mpcsfaas.client.operations import Operation, fetch, patiently
from mpcsfaas.client.records import FunctionInfo, Page, TaskState
from mpcsfaas.client.session import Session
from mpcsfaas.errors import SettingsError
from mpcsfaas.model import State, TaskRecord

Url = Annotated[
    str | None, typer.Option("--url", help="URL of the gateway. Default: MPCSFAAS_URL, or the platform that you run.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
WhomToTrust = Annotated[
    Trust, typer.Option("--trust", help="json: read plain data only, as a pickled result runs code here.")
]


class Address(NamedTuple):
    """Where the gateway is, whether the user said so, and the API key for it."""

    url: str
    chosen: bool
    key: str | None


class Health(Struct, frozen=True):
    """A gateway's word that it serves."""

    status: str


class Cancelled(Struct, frozen=True):
    """The states of tasks after cancelling them, in order."""

    results: list[TaskState]


@contextmanager
def gateway(
    url: str | None, by_value: Sequence[str] = (), trust: Trust = "pickle", timeout: float = DEFAULT_TIMEOUT
) -> Iterator[Client]:
    """A client of the gateway at hand, which has answered. Raises `GatewayError` at once if there is none.

    `timeout` is how many seconds it waits for a gateway that is away or busy later on.
    """
    address = find_address(url)
    try:
        client = Client(address.url, timeout=timeout, by_value=by_value, trust=trust, key=address.key)
    except ValueError as error:
        raise SettingsError(str(error)) from None
    with client:
        client.connection.perform(_greet(client.url))
        yield client


def find_address(url: str | None) -> Address:
    """What `--url`, MPCSFAAS_URL or the settings file says; else the platform that this user runs; else the default."""
    from mpcsfaas.settings import Configuration, Flags

    settings = Configuration.read(Flags({"url": url} if url else {})).settings
    key = settings.api_key.get_secret_value() if settings.api_key else None
    if "url" in settings.model_fields_set:
        return Address(settings.url, chosen=True, key=key)
    return Address(_running(settings.state_dir / "up.json") or settings.url, chosen=False, key=key)


def _running(announcement: Path) -> str | None:
    """What `mpcsfaas up` wrote, if the process that wrote it lives."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        content = json.loads(announcement.read_text())
        os.kill(int(content["pid"]), 0)
        return str(content["url"])
    return None


def _greet(url: str) -> Operation[None]:
    """Without the patience of other requests: nobody wants to wait for a gateway that is not there."""
    response = yield get("/healthz")
    with suppress(GatewayError):
        if decode(response, Health).status == "ok":
            return
    raise RequestRefused(f"What answers at {url} is no mpcsfaas gateway. Pass another --url, or set MPCSFAAS_URL.")


# What commands ask


def tasks_page(
    session: Session, state: State | None, function: str | None, group: str | None, limit: int, cursor: str | None
) -> Operation[Page[TaskRecord]]:
    """Up to `limit` tasks, newest first."""
    request = get("/v1/tasks", state=state, function=function, group=group, limit=limit, cursor=cursor)
    return fetch(session, request, Page[TaskRecord])


def function_info(session: Session, function_id: str) -> Operation[FunctionInfo]:
    """A registered function. Raises `NotFound`."""
    return fetch(session, get(f"/v1/functions/{function_id}"), FunctionInfo)


def delete_function(session: Session, function_id: str) -> Operation[None]:
    """Delete a function. Raises `NotFound`."""
    response = yield from patiently(session, Request("DELETE", f"/v1/functions/{function_id}"))
    if response.status >= 300:
        raise error_of(response)


def cancel_tasks(session: Session, task_ids: Sequence[str]) -> Operation[Cancelled]:
    """Cancel tasks; the state of each afterwards."""
    return fetch(session, post("/v1/tasks:cancel", {"ids": list(task_ids)}), Cancelled)


def function_named(client: Client, word: str) -> FunctionInfo:
    """The function with this id, or the newest with this name. Raises `NotFound`."""
    from mpcsfaas.plugins import did_you_mean

    if is_id(word):
        return client.connection.perform(function_info(client.session, word))
    functions = list(client.functions())
    found = [info for info in functions if info.name == word]
    if not found:
        hint = did_you_mean(word, {info.name for info in functions})
        raise NotFound(f"No function is called {word!r}.{hint} See `mpcsfaas fn list`, or give FILE.py:FUNCTION.")
    return max(found, key=lambda info: info.created_at)


def is_id(word: str) -> bool:
    """Whether this has the form of an id."""
    from uuid import UUID

    try:
        UUID(word)
    except ValueError:
        return False
    return True
