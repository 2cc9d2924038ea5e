"""API keys: how one looks, and what is kept of it.

A key is `mpcs_ID_SECRET`. The id may be seen: it names the key in lists and logs. The secret is 256 random bits, and
only its SHA-256 is kept. A slow hash is for secrets that can be guessed; nobody guesses these, and each request would
pay for it.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable
from enum import StrEnum

import msgspec
from msgspec import Struct

from mpcsfaas.model import DEFAULT_TENANT, Quota

PREFIX = "mpcs"
SECRET_BYTES = 32
TENANT = re.compile(r"[a-z0-9][a-z0-9-]{0,62}", re.ASCII)


class Scope(StrEnum):
    """What a key is good for."""

    REGISTER = "register"
    """Registering and deleting functions."""
    EXECUTE = "execute"
    """Executing functions, and cancelling tasks."""
    READ = "read"
    """Looking at functions, tasks, results and streams."""
    ADMIN = "admin"
    """All of that, and the platform as a whole: workers, everybody's counts, whatever plugins add."""


USUAL_SCOPES = (Scope.REGISTER, Scope.EXECUTE, Scope.READ)


class ApiKey(Struct, frozen=True, omit_defaults=True):
    """What is known of a key. Moments are seconds since the epoch; rates are per gateway, None is no limit."""

    id: str
    digest: bytes
    tenant: str
    scopes: tuple[Scope, ...]
    created_at: float
    expires_at: float | None = None
    note: str = ""
    requests_per_second: float | None = None
    bytes_per_second: float | None = None
    max_queued: int | None = None
    max_running: int | None = None

    @property
    def quota(self) -> Quota | None:
        """What its tasks come with; None if their number is not bounded."""
        if self.max_queued is None and self.max_running is None:
            return None
        return Quota(self.id, self.max_queued, self.max_running)

    def grants(self, scope: Scope) -> bool:
        """True if the key is good for this."""
        return scope in self.scopes or Scope.ADMIN in self.scopes


def create_key(
    tenant: str = DEFAULT_TENANT,
    scopes: Iterable[Scope] = USUAL_SCOPES,
    *,
    now: float,
    expires_at: float | None = None,
    note: str = "",
    requests_per_second: float | None = None,
    bytes_per_second: float | None = None,
    max_queued: int | None = None,
    max_running: int | None = None,
) -> tuple[str, ApiKey]:
    """A new key as its owner writes it, which nobody can find out again, and what is to be kept of it."""
    key_id, secret = secrets.token_hex(6), secrets.token_hex(SECRET_BYTES)
    known = ApiKey(
        id=key_id,
        digest=digest_of(secret),
        tenant=tenant,
        scopes=tuple(scopes),
        created_at=now,
        expires_at=expires_at,
        note=note,
        requests_per_second=requests_per_second,
        bytes_per_second=bytes_per_second,
        max_queued=max_queued,
        max_running=max_running,
    )
    return f"{PREFIX}_{key_id}_{secret}", known


def split_key(text: str) -> tuple[str, str] | None:
    """The id and the secret of a key; None if it is none."""
    prefix, _, rest = text.partition("_")
    key_id, _, secret = rest.partition("_")
    return (key_id, secret) if prefix == PREFIX and key_id and secret else None


def digest_of(secret: str) -> bytes:
    """What is kept of a secret."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def is_secret_of(key: ApiKey, secret: str) -> bool:
    """True if this is the key's secret; that takes as long for a wrong one, however much of it is right."""
    return hmac.compare_digest(digest_of(secret), key.digest)


def encode_key(key: ApiKey) -> bytes:
    """As it is kept."""
    return msgspec.msgpack.encode(key)


def decode_key(record: bytes) -> ApiKey:
    """As it was before `encode_key`. Raises `ValueError` for what another release has written otherwise."""
    return msgspec.msgpack.decode(record, type=ApiKey)
