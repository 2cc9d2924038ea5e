"""What an operator can set on a gateway."""

from pydantic import BaseModel, ConfigDict, Field

from mpcsfaas.gateway.auth.allow_list import read_allow_list
from mpcsfaas.gateway.auth.exposure import is_exposed
from mpcsfaas.settings import Settings

MEBIBYTE = 1024 * 1024


class GatewaySettings(BaseModel):
    """Limits and names of one gateway. Sizes in bytes, durations in seconds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_body: int = Field(default=256 * MEBIBYTE, ge=1, description="Largest request body, in bytes.")
    max_payload: int = Field(
        default=64 * MEBIBYTE, ge=1, description="Largest serialised function or argument list, in bytes."
    )
    default_deadline: float | None = Field(
        default=None, gt=0, description="Deadline of tasks that have none of their own, in seconds from acceptance."
    )
    allowed_hosts: tuple[str, ...] = Field(
        default=(),
        description="Names, beside localhost and this machine's, by which clients may address the gateway; * for any.",
    )
    require_keys: bool = Field(default=False, description="Let in nobody without a key, even while there are none.")
    open_to_network: bool = Field(default=False, description="Let in everybody who reaches the gateway, without a key.")
    behind_proxy: bool = Field(default=False, description="A proxy tells the addresses of clients.")
    audit_log: str | None = Field(default=None, description="File for the audit log; - for standard error.")
    allowed_functions: frozenset[str] | None = Field(default=None, description="Ids that may be registered; None: any.")
    stream_heartbeat: float = Field(
        default=10.0, gt=0, description="Seconds of silence after which a stream sends a sign of life."
    )
    reader_patience: float = Field(
        default=60.0, gt=0, description="Seconds after which a client that takes nothing of its answer is cut off."
    )


def gateway_settings(settings: Settings) -> GatewaySettings:
    """What the platform's settings say about its gateway."""
    return GatewaySettings(
        max_body=settings.max_body,
        max_payload=settings.max_payload,
        default_deadline=settings.deadline,
        allowed_hosts=(settings.host, *settings.allowed_hosts),
        require_keys=settings.require_keys or is_exposed(settings),
        behind_proxy=settings.behind_proxy,
        audit_log=settings.audit_log,
        allowed_functions=None if settings.allow_functions is None else read_allow_list(settings.allow_functions),
        open_to_network=settings.insecure_open_to_network,
    )
