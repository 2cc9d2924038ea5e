"""Options of the `pull` strategy."""

from pydantic import Field

from mpcsfaas.interfaces import LinkedOptions


class PullOptions(LinkedOptions):
    """Where the dispatcher listens."""

    host: str = Field(default="127.0.0.1", description="Address that the dispatcher listens on for workers.")
    port: int = Field(
        default=5555, ge=0, le=65535, description="Port that the dispatcher listens on for workers; 0 picks a free one."
    )
    url: str | None = Field(
        default=None, description="Where to listen instead of host and port, for example ipc:///run/mpcsfaas/pull."
    )
