"""Options of the `push` strategy."""

from pydantic import Field

from mpcsfaas.scheduling import Policy
from mpcsfaas.sockets import ListeningOptions


class PushOptions(ListeningOptions):
    """Where the dispatcher listens, and how it chooses a worker."""

    policy: Policy = Field(default=Policy.MOST_FREE, description="Which worker gets the next task.")
