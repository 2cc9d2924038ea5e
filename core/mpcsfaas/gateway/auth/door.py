"""The door: what a request must show before it is served, and whose tasks it then sees."""

import math
import time
from collections.abc import Callable, Iterable

from starlette.types import Scope as Connection

from mpcsfaas.gateway.auth import problems
from mpcsfaas.gateway.auth.keyring import Keyring
from mpcsfaas.gateway.auth.keys import ApiKey, is_secret_of, split_key
from mpcsfaas.gateway.auth.limits import Allowance
from mpcsfaas.gateway.auth.peers import Peers, trusted_uids
from mpcsfaas.gateway.auth.scopes import is_public, scope_of

FORWARDED = frozenset({b"forwarded", b"x-forwarded-for"})
"""Headers that a proxy adds: whoever asks is not the user at the other end of the connection."""


class Door:
    """Lets in who has a key; and, as long as there are no keys, the user who runs the gateway, from this machine."""

    def __init__(
        self,
        keyring: Keyring,
        *,
        open_to_network: bool = False,
        require_keys: bool = False,
        peers: Peers | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """`open_to_network` lets in everybody, `require_keys` nobody without a key, even while there are none."""
        self._keyring = keyring
        self._open_to_network = open_to_network
        self._require_keys = require_keys
        self._peers = peers or Peers()
        self._trusted = trusted_uids()
        self._clock = clock
        self._wall_clock = wall_clock
        self._allowances: dict[str, Allowance] = {}

    async def admit(self, connection: Connection) -> ApiKey | None:
        """Let a request in; the key that it came with. Raises a 401, 403 or 429 `Problem`, or `StorageUnavailable`."""
        if is_public(connection["path"]):
            return None
        if self._keyring.is_stale:
            await self._keyring.refresh()
        token = _authorization(connection["headers"])
        if token is not None and not self._keyring.has_keys:
            await self._keyring.look_for_news()
        if token is None or not (self._keyring.has_keys or self._require_keys):
            self._admit_without_key(connection)
            return None
        key = await self._identify(token)
        needed = scope_of(connection["method"], connection["path"])
        if not key.grants(needed):
            raise problems.scope_missing(key, needed)
        self._count(key)
        return key

    def is_still_good(self, key: ApiKey) -> bool:
        """True if the key of a request that is under way is known to be good; if not, `look_again`."""
        return not self._keyring.is_stale and self._keyring.get(key.id) is key and not self._is_over(key)

    async def look_again(self, key: ApiKey) -> None:
        """Raises as `admit`, if a key has been revoked or has expired since its request was let in."""
        if self._keyring.is_stale:
            await self._keyring.refresh()
        known = self._keyring.get(key.id)
        if known is None or known.digest != key.digest:
            raise problems.unknown_key()
        self._check_end(known)

    def received(self, key: ApiKey, size: int) -> None:
        """Count bytes of a request's body."""
        if key.bytes_per_second:
            self._allowance(key).received(size, self._clock())

    def _admit_without_key(self, connection: Connection) -> None:
        if self._open_to_network:
            return
        if self._keyring.has_keys or self._require_keys:
            raise problems.key_needed()
        if not FORWARDED.isdisjoint([name for name, _ in connection["headers"]]):
            raise problems.unknown_user("it came through a proxy, so who sent it is not known")
        uid = self._peers.uid(connection)
        if uid is None:
            raise problems.unknown_user("the kernel does not tell who sent it")
        if uid not in self._trusted:
            raise problems.unknown_user(f"it came from the user with the id {uid}")

    async def _identify(self, token: bytes) -> ApiKey:
        scheme, _, text = token.decode("latin-1").partition(" ")
        parts = split_key(text.strip())
        if scheme.lower() != "bearer" or parts is None:
            raise problems.malformed_key()
        key_id, secret = parts
        key = await self._keyring.find(key_id)
        if key is None or not is_secret_of(key, secret):
            raise problems.unknown_key()
        self._check_end(key)
        return key

    def _check_end(self, key: ApiKey) -> None:
        if self._is_over(key):
            raise problems.expired_key(key)

    def _is_over(self, key: ApiKey) -> bool:
        return key.expires_at is not None and key.expires_at <= self._wall_clock()

    def _count(self, key: ApiKey) -> None:
        if key.requests_per_second is None and key.bytes_per_second is None:
            return
        delay = self._allowance(key).request(self._clock())
        if delay:
            raise problems.too_fast(key, math.ceil(delay))

    def _allowance(self, key: ApiKey) -> Allowance:
        allowance = self._allowances.get(key.id)
        if allowance is None or allowance.key != key:
            allowance = self._allowances[key.id] = Allowance(key, self._clock())
        return allowance


def _authorization(headers: Iterable[tuple[bytes, bytes]]) -> bytes | None:
    return next((value for name, value in headers if name == b"authorization"), None)
