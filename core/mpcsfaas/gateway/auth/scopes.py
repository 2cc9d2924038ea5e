"""Which scope a request needs: every path of the gateway, on one page. What is not listed needs `admin`."""

from mpcsfaas.gateway.auth.keys import Scope

PUBLIC = frozenset({"/", "/healthz", "/readyz", "/docs", "/openapi.json"})
"""Paths that tell nothing of anybody's work; probes and browsers cannot send a key."""
READS = frozenset({"GET", "HEAD", "OPTIONS"})
ASSETS = ("/static-offline-docs/", "/assets/")
"""Below these is what pages are made of: the gateway's own, and those of plugins."""

EXACT = {
    ("POST", "/v1/functions"): Scope.REGISTER,
    ("POST", "/register_function"): Scope.REGISTER,
    ("POST", "/v1/tasks"): Scope.EXECUTE,
    ("POST", "/v1/tasks:batch"): Scope.EXECUTE,
    ("POST", "/v1/tasks:cancel"): Scope.EXECUTE,
    ("POST", "/v1/tasks:retry"): Scope.EXECUTE,
    ("POST", "/v1/tasks:results"): Scope.READ,
    ("POST", "/execute_function"): Scope.EXECUTE,
    ("GET", "/v1/functions"): Scope.READ,
    ("GET", "/v1/tasks"): Scope.READ,
    ("GET", "/v1/dashboard"): Scope.READ,
    ("GET", "/v1/stats"): Scope.READ,
}
BELOW = {
    ("DELETE", "/v1/functions/"): Scope.REGISTER,
    ("DELETE", "/v1/tasks/"): Scope.EXECUTE,
    ("GET", "/v1/functions/"): Scope.READ,
    ("GET", "/v1/tasks/"): Scope.READ,
    ("GET", "/v1/groups/"): Scope.READ,
    ("GET", "/status/"): Scope.READ,
    ("GET", "/result/"): Scope.READ,
}
"""By what the path begins with."""


def is_public(path: str) -> bool:
    """True for what everybody may read."""
    return path in PUBLIC or path.startswith(ASSETS)


def only_reads(method: str, path: str) -> bool:
    """True for what changes nothing."""
    return method in READS or EXACT.get((method, path)) is Scope.READ


def scope_of(method: str, path: str) -> Scope:
    """The scope that a request needs."""
    scope = EXACT.get((method, path))
    if scope is not None:
        return scope
    return next(
        (scope for (verb, start), scope in BELOW.items() if verb == method and path.startswith(start)), Scope.ADMIN
    )
