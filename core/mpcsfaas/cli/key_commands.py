"""`mpcsfaas keys`: who may use the gateways. It works on the storage itself, so it is for those who may read that."""

import asyncio
import os
import platform
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from operator import methodcaller
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from mpcsfaas.cli.configured import Setup, configured
from mpcsfaas.cli.rendering import at, print_json, print_table
from mpcsfaas.errors import SettingsError
from mpcsfaas.plugins import Kind

if TYPE_CHECKING:
    from mpcsfaas.gateway.auth.keys import ApiKey, Scope
    from mpcsfaas.interfaces import Storage

T = TypeVar("T")

UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 7 * 86400.0}

app = typer.Typer()
keys = typer.Typer(no_args_is_help=True, add_completion=False, help="Make, list and revoke API keys.")
app.add_typer(keys, name="keys")

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Tenant = Annotated[str, typer.Option("--tenant", help="Whose functions and tasks it is for.")]
Scopes = Annotated[
    list[str] | None,
    typer.Option("--scope", help="What it is good for: register, execute, read, admin. Repeat it for more than one.",
                 show_default="register, execute, read"),
]  # fmt: skip
Expires = Annotated[
    str | None, typer.Option("--expires", help="When it ends: 12h, 30d, or a date such as 2030-12-31. Default: never.")
]
Note = Annotated[str, typer.Option("--note", help="Whom it was given to, for the list.", show_default=False)]
Rate = Annotated[
    float | None,
    typer.Option("--requests-per-second", min=0.001, help="Requests a second, at each gateway. Default: no limit."),
]
ByteRate = Annotated[
    float | None,
    typer.Option("--bytes-per-second", min=1, help="Bytes of bodies a second, at each gateway. Default: no limit."),
]
MaxQueued = Annotated[
    int | None,
    typer.Option("--max-queued", min=1, help="Queued tasks at once; more are refused. Default: no limit."),
]
MaxRunning = Annotated[
    int | None,
    typer.Option("--max-running", min=1, help="Running tasks at once; more wait. Default: no limit."),
]
Ids = Annotated[list[str], typer.Argument(metavar="KEY…", help="Ids, or whole keys.", show_default=False)]


@keys.command()
@configured("state_dir", "audit_log", kinds=[Kind.STORAGE])
def create(
    setup: Setup,
    tenant: Tenant = "default",
    scope: Scopes = None,
    expires: Expires = None,
    note: Note = "",
    requests_per_second: Rate = None,
    bytes_per_second: ByteRate = None,
    max_queued: MaxQueued = None,
    max_running: MaxRunning = None,
    as_json: Json = False,
) -> None:
    """Make a key and print it, once: only its hash is kept. From then on, the gateways demand keys.

    Example: mpcsfaas keys create --tenant acme --scope execute --scope read --expires 90d
    """
    from mpcsfaas.gateway.auth.keys import create_key, encode_key

    now = time.time()
    text, key = create_key(
        _tenant(tenant),
        _scopes(scope),
        now=now,
        expires_at=None if expires is None else _moment(expires, now),
        note=note,
        requests_per_second=requests_per_second,
        bytes_per_second=bytes_per_second,
        max_queued=max_queued,
        max_running=max_running,
    )
    _with_storage(setup, lambda storage: storage.put_key(key.id, encode_key(key)))
    said = {name: getattr(key, name) for name in ("tenant", "scopes", "expires_at", "max_queued", "max_running")}
    _audit(setup, "key-created", key.id, **said)
    if as_json:
        print_json({"key": text, **_shown(key)})
        return
    typer.echo(text)
    typer.echo(f"Keep it now: it cannot be shown again. Its id is {key.id}, its tenant {key.tenant}.", err=True)


@keys.command("list")
@configured("state_dir", kinds=[Kind.STORAGE])
def list_keys(setup: Setup, as_json: Json = False) -> None:
    """List the keys, oldest first; not their secrets, which nobody has.

    Example: mpcsfaas keys list --storage redis://127.0.0.1:6379/0
    """
    from mpcsfaas.gateway.auth.keys import decode_key

    records = _with_storage(setup, lambda storage: storage.list_keys())
    found = sorted(map(decode_key, records.values()), key=lambda key: key.created_at)
    if as_json:
        print_json([_shown(key) for key in found])
        return
    print_table(("id", "tenant", "scopes", "created", "expires", "queued", "running", "note"), map(_row, found))


@keys.command()
@configured("state_dir", "audit_log", kinds=[Kind.STORAGE])
def revoke(setup: Setup, ids: Ids) -> None:
    """Revoke keys: within two seconds, no gateway takes them any more.

    Example: mpcsfaas keys revoke 3f2a9c1b7d4e
    """
    for word in ids:
        key_id = _id_of(word)
        if not _with_storage(setup, methodcaller("delete_key", key_id)):
            raise SettingsError(f"There is no API key with the id {key_id}. See `mpcsfaas keys list`.")
        _audit(setup, "key-revoked", key_id)
        typer.echo(f"Revoked {key_id}.")


def _audit(setup: Setup, event: str, key_id: str, **details: Any) -> None:
    from mpcsfaas.gateway.auth.audit import AuditLog

    if setup.settings.audit_log:
        log = AuditLog(setup.settings.audit_log)
        log.write(event=event, key=key_id, uid=os.getuid(), host=platform.node(), **details)
        log.close()


def _with_storage(setup: Setup, act: "Callable[[Storage], Awaitable[T]]") -> T:
    async def run() -> T:
        storage = setup.plugins.storage(setup.settings.storage)
        await storage.open()
        try:
            return await act(storage)
        finally:
            await storage.close()

    return asyncio.run(run())


def _tenant(name: str) -> str:
    from mpcsfaas.gateway.auth.keys import TENANT

    if not TENANT.fullmatch(name):
        raise SettingsError(
            f"--tenant cannot be {name!r}: use up to 63 lower-case letters, digits and hyphens, no hyphen first."
        )
    return name


def _scopes(words: Sequence[str] | None) -> "tuple[Scope, ...]":
    from mpcsfaas.gateway.auth.keys import USUAL_SCOPES, Scope

    if not words:
        return USUAL_SCOPES
    chosen = {word.strip() for each in words for word in each.split(",")}
    unknown = chosen.difference(Scope)
    if unknown:
        raise SettingsError(f"--scope cannot be {min(unknown)!r}: choose from {', '.join(Scope)}.")
    return tuple(scope for scope in Scope if scope in chosen)


def _moment(text: str, now: float) -> float:
    """A time from now, or a date of this machine's zone. Raises `SettingsError`, also for one that is over."""
    found = re.fullmatch(r"(\d{1,9})([smhdw]?)", text)
    try:
        moment = now + int(found[1]) * UNITS[found[2]] if found else datetime.fromisoformat(text).timestamp()
    except ValueError:
        raise SettingsError(f"--expires cannot be {text!r}: write 12h, 30d, or a date such as 2030-12-31.") from None
    if moment <= now:
        raise SettingsError(f"--expires {text!r} is over already.")
    return moment


def _id_of(word: str) -> str:
    from mpcsfaas.gateway.auth.keys import PREFIX, split_key

    parts = split_key(word)
    return parts[0] if parts else word.removeprefix(f"{PREFIX}_")


def _end(key: "ApiKey") -> str:
    if key.expires_at is not None and key.expires_at <= time.time():
        return f"{at(key.expires_at)} (over)"
    return at(key.expires_at) or "never"


def _row(key: "ApiKey") -> tuple[object, ...]:
    quotas = (_bound(key.max_queued), _bound(key.max_running))
    return (key.id, key.tenant, ", ".join(key.scopes), at(key.created_at), _end(key), *quotas, key.note)


def _bound(number: int | None) -> str:
    return "any" if number is None else f"up to {number}"


def _shown(key: "ApiKey") -> dict[str, Any]:
    return {name: getattr(key, name) for name in key.__struct_fields__ if name != "digest"}
