"""Why a request is not let in, and what to do about it. None of these tells a secret."""

from datetime import UTC, datetime

from mpcsfaas.gateway.auth.keys import ApiKey, Scope
from mpcsfaas.gateway.problems import Problem

MAKE_ONE = "`mpcsfaas keys create`"
ASK = {"WWW-Authenticate": "Bearer"}
INVALID = {"WWW-Authenticate": 'Bearer error="invalid_token"'}


def key_needed() -> Problem:
    """A request without a key, where there are keys."""
    detail = (
        "This gateway demands an API key. Send one as `Authorization: Bearer KEY`; the SDK and the command line take it"
        f" from MPCSFAAS_API_KEY. Who runs the gateway makes one with {MAKE_ONE}."
    )
    return Problem(401, "key-needed", detail, headers=ASK)


def unknown_user(reason: str) -> Problem:
    """A request without a key, where there are none, that is not known to be by the user who runs the gateway."""
    detail = (
        "Without API keys, this gateway serves only the user who runs it, from the same machine; as for this request,"
        f" {reason}. Send it as that user, run a gateway of your own with `mpcsfaas up`, or have a key made with"
        f" {MAKE_ONE}."
    )
    return Problem(401, "unknown-user", detail, headers=ASK)


def malformed_key() -> Problem:
    """An Authorization header that holds no key of ours."""
    detail = (
        "The Authorization header holds no API key. Write `Authorization: Bearer mpcs_ID_SECRET`, with the whole key."
    )
    return Problem(401, "malformed-key", detail, headers=INVALID)


def unknown_key() -> Problem:
    """No such key, or a wrong secret; which of them is not told, nor what was sent."""
    detail = f"The API key is unknown here: revoked, another platform's, or cut short. Have one made with {MAKE_ONE}."
    return Problem(401, "unknown-key", detail, headers=INVALID)


def expired_key(key: ApiKey) -> Problem:
    """A key whose time is over."""
    end = datetime.fromtimestamp(key.expires_at or 0.0, UTC).isoformat(" ", "seconds")
    detail = f"The API key mpcs_{key.id}_… expired at {end}. Have a new one made with {MAKE_ONE}."
    return Problem(401, "expired-key", detail, headers=INVALID)


def scope_missing(key: ApiKey, needed: Scope) -> Problem:
    """A key that is not good for this."""
    detail = (
        f"This needs the scope {needed}, and the API key mpcs_{key.id}_… has {', '.join(key.scopes) or 'none'}."
        f" Use another key, or have one made with {MAKE_ONE} --scope {needed}."
    )
    headers = {"WWW-Authenticate": f'Bearer error="insufficient_scope", scope="{needed}"'}
    return Problem(403, "scope-missing", detail, headers=headers)


def too_fast(key: ApiKey, seconds: int) -> Problem:
    """A key that is used faster than it may be."""
    detail = f"The API key mpcs_{key.id}_… is used faster than it may be. Try again in {seconds} s."
    return Problem(429, "too-fast", detail, headers={"Retry-After": str(seconds)})
