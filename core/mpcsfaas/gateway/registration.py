"""From a request to a registered function."""

import asyncio

from mpcsfaas.gateway import problems
from mpcsfaas.gateway.context import Gateway
from mpcsfaas.gateway.submission import check_size
from mpcsfaas.model import Function

SMALL_PAYLOAD = 64 * 1024
"""Bytes that are checked at once; a larger payload's check would hold up everybody else's requests."""


async def register(gateway: Gateway, function: Function) -> tuple[Function, bool]:
    """Check and keep a function; the one that is kept, and whether it is new. Raises `Problem`, `InvalidPayload`."""
    allowed = gateway.settings.allowed_functions
    if allowed is not None and function.id not in allowed:
        raise problems.function_not_allowed(function.id)
    check_size(gateway, function.payload)
    serializer = gateway.serializer(function.serializer)
    if not serializer.carries_functions:
        raise problems.invalid_payload(f"The serializer {serializer.name!r} cannot carry functions, only data.")
    if len(function.payload) > SMALL_PAYLOAD:
        await asyncio.to_thread(serializer.check, function.payload)
    else:
        serializer.check(function.payload)
    is_new = await gateway.storage.put_function(function)
    kept = None if is_new else await gateway.storage.get_function(function.id)
    return kept or function, is_new
