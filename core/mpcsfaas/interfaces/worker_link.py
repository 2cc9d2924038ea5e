"""The worker's side of a dispatch strategy: how frames get from a worker to its dispatcher and back."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Protocol

from pydantic import Field

from mpcsfaas.interfaces.options import PluginOptions


class LinkedOptions(PluginOptions):
    """The options that every strategy with a `worker_link` has."""

    workers: int = Field(
        default=0, ge=0, le=1024, description="Workers that the dispatcher starts beside itself, for a trial."
    )


class LinkedAgent(Protocol):
    """What a link asks of the worker agent: frames of `mpcsfaas.wire` to say, and whom to give those that come.

    For the event loop's own thread; nothing blocks. The agent decides what is said and when, and says again what was
    lost; so a link may lose messages, but should not take frames from the agent while it cannot send them.
    """

    @property
    def worker_id(self) -> str:
        """Of this run of the worker."""

    def outgoing(self) -> list[bytes]:
        """The frames of one message to say now, which then counts as said. Empty when there is nothing to say."""

    def fetch(self, wait: float) -> bytes | None:
        """A `fetch` frame that asks for attempts, for an answer within `wait` seconds; None while nothing is wanted.

        For strategies where workers ask.
        """

    def receive(self, frames: Sequence[bytes | memoryview]) -> None:
        """Take the frames of a message from the dispatcher. What is malformed is counted, never raised."""


class WorkerLink(ABC):
    """Owns a worker's sockets and nothing else. All methods are called from one event loop.

    `start` is called once before anything else, `stop` once at the end. In between, the link calls `agent.outgoing()`
    after every `wake()`, and again whenever it can send more, until nothing comes; and `agent.receive` with whatever
    arrives. It reconnects by itself, for ever, with growing pauses. An error that reaches the event loop ends the
    worker; an `MpcsfaasError` says why in its own words.
    """

    owner: str = ""
    """What the worker's id must begin with, for its dispatcher knows whose key it comes with."""

    def __init__(self, url: str, options: PluginOptions, agent: LinkedAgent) -> None:
        """`options` are the strategy's own. Opens nothing. Raises `SettingsError` for a URL that cannot be used."""
        self.url = url
        self.options = options
        self.agent = agent

    @abstractmethod
    async def start(self) -> None:
        """Open sockets. Does not wait for the dispatcher. Raises `MpcsfaasError` when that cannot be done."""

    @abstractmethod
    def wake(self) -> None:
        """`agent.outgoing()` or `agent.fetch()` may have something now. Cheap and never blocks."""

    @abstractmethod
    async def stop(self) -> None:
        """Close sockets, giving what was taken last a moment to leave. Idempotent."""
