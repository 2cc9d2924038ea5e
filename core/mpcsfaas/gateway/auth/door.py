"""The door: what a request must show before it is served."""

from starlette.types import Scope

from mpcsfaas.gateway import problems
from mpcsfaas.gateway.auth.peers import Peers, trusted_uids

PUBLIC = frozenset({"/", "/healthz", "/readyz", "/docs", "/openapi.json"})
"""Paths that tell nothing of anybody's work; probes and browsers cannot send a key."""
ASSETS = "/static-offline-docs/"
FORWARDED = frozenset({b"forwarded", b"x-forwarded-for"})
"""Headers that a proxy adds: whoever asks is not the user at the other end of the connection."""


class Door:
    """Lets in the user who runs the gateway, from this machine, and nobody else."""

    def __init__(self, open_to_network: bool, peers: Peers | None = None) -> None:
        """`open_to_network` lets in everybody."""
        self._open_to_network = open_to_network
        self._peers = peers or Peers()
        self._trusted = trusted_uids()

    def admit(self, scope: Scope) -> None:
        """Let a request in. Raises a 401 `Problem`."""
        if self._open_to_network or is_public(scope["path"]):
            return
        if not FORWARDED.isdisjoint([name for name, _ in scope["headers"]]):
            raise problems.unknown_user("it came through a proxy, so who sent it is not known")
        uid = self._peers.uid(scope)
        if uid is None:
            raise problems.unknown_user("the kernel does not tell who sent it")
        if uid not in self._trusted:
            raise problems.unknown_user(f"it came from the user with the id {uid}")


def is_public(path: str) -> bool:
    """True for what everybody may read."""
    return path in PUBLIC or path.startswith(ASSETS)
