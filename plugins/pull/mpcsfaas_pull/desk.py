"""What one worker is to hear, and those of its requests that wait for an answer. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from mpcsfaas.wire import VERSION, FromDispatcher

Source: TypeAlias = tuple[bytes, ...]
"""Where a request came from, and its answer goes."""


@dataclass(frozen=True, slots=True)
class Reply:
    """Answer a request, with messages in frames of this version."""

    source: Source
    version: int
    messages: Sequence[FromDispatcher]


class Parked(NamedTuple):
    """A `fetch` that waits for so many attempts, at most until a moment."""

    source: Source
    want: int
    until: float


@dataclass(slots=True)
class Desk:
    """The requests of one worker. Its fetch and its greeting may wait; all others are answered at once."""

    heard_at: float
    version: int = VERSION
    unsaid: list[FromDispatcher] = field(default_factory=list)
    """What goes with the next answer."""
    parked: Parked | None = None
    greeting: Source | None = None
    """A `hello` that waits until it is known which attempts are ours."""

    def reply(self, source: Source, otherwise: FromDispatcher) -> Reply:
        """An answer with all that is unsaid; with `otherwise` if that is nothing."""
        messages, self.unsaid = self.unsaid or [otherwise], []
        return Reply(source, self.version, messages)
