"""How tasks are to be run, as the SDK's callers say it."""

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

import msgspec

from mpcsfaas.model import TaskOptions


class Options(TypedDict, total=False):
    """Keyword arguments of `with_options` and `@client.function`; see `mpcsfaas.model.TaskOptions`. In seconds."""

    max_retries: int
    retry_delay: float
    max_redeliveries: int
    timeout: float | None
    deadline: float | None
    priority: int
    delay: float
    idempotency_key: str | None
    ttl: float
    group: str | None
    labels: Sequence[str]
    traceparent: str | None
    after: Sequence[str]


def checked(options: Mapping[str, Any]) -> dict[str, Any]:
    """A copy. Raises `TypeError` for an unknown option or a value of the wrong type."""
    try:
        msgspec.convert(dict(options), TaskOptions)
    except msgspec.ValidationError as error:
        known = ", ".join(TaskOptions.__struct_fields__)
        raise TypeError(f"These task options cannot be used: {error}. The options are: {known}.") from None
    return dict(options)
