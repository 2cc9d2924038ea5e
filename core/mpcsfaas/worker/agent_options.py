"""Options of the worker agent."""

from pydantic import Field

from mpcsfaas.worker.options import PoolOptions


class AgentOptions(PoolOptions):
    """The pool's options, and how the worker gets along with its dispatcher."""

    url: str = Field(default="tcp://127.0.0.1:5555", description="Address of the dispatcher: tcp://… or ipc://….")
    labels: tuple[str, ...] = Field(
        default=(), max_length=256, description="Labels of this worker; a task may demand some."
    )
    drain_timeout: float = Field(
        default=30.0, ge=0, description="How long a worker that ends waits for running tasks and for their receipt."
    )
