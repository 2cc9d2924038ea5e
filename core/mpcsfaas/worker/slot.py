"""What is known of a slot."""

from collections import deque
from dataclasses import dataclass, field
from enum import Enum, auto

from mpcsfaas.interfaces.strategy import Assignment
from mpcsfaas.model import AttemptKey
from mpcsfaas.worker.exits import Cause


class Phase(Enum):
    """Where a slot's child stands."""

    STARTING = auto()
    READY = auto()
    STOPPING = auto()
    """Told to die, not dead yet."""
    DOWN = auto()
    """Did not come up; tried again later."""


@dataclass(slots=True, eq=False)
class Entry:
    """One attempt in the pool's hands."""

    assignment: Assignment
    handed_over_at: float = 0.0
    turn: int = 0
    """Lower for what was handed over before, in the same batch too."""
    sent_at: float = 0.0
    cancelled: bool = False

    @property
    def key(self) -> AttemptKey:
        """The fencing token."""
        return self.assignment.attempt.key

    @property
    def tenant(self) -> str:
        """Whose it is."""
        return self.assignment.function.tenant


@dataclass(slots=True, eq=False)
class Slot:
    """One child process, as the table sees it."""

    index: int
    phase: Phase = Phase.DOWN
    since: float = 0.0
    """When the phase began; for DOWN, when it is to end."""
    sent: deque[Entry] = field(default_factory=deque)
    running_since: float = 0.0
    tenant: str | None = None
    """Whose attempts it runs, and nobody else's ever; None as long as it was sent none."""
    functions: set[str] = field(default_factory=set)
    served: int = 0
    alone: bool = False
    """The running attempt is slow: queue nothing behind it."""
    recalling: bool = False
    """Between `Recall` and `recalled`: send nothing."""
    cause: Cause | None = None
    """Why the child is to be replaced, once known."""
    failed_starts: int = 0

    @property
    def deadline(self) -> float | None:
        """When the running attempt must have ended."""
        timeout = self.sent[0].assignment.timeout if self.sent else None
        return None if timeout is None else self.running_since + timeout

    @property
    def is_idle(self) -> bool:
        """Whether its child has nothing to do, and is not about to be replaced."""
        return self.phase is Phase.READY and not self.sent and self.cause is None and not self.recalling

    @property
    def will_be_fresh(self) -> bool:
        """Whether its child belongs to no tenant yet, or is about to be replaced by one that does not."""
        if self.phase is Phase.READY:
            return not self.sent and (self.tenant is None or self.cause is not None)
        return self.phase is not Phase.DOWN

    @property
    def came_up(self) -> bool:
        """Whether its child was ready once."""
        return self.phase is not Phase.STARTING and self.cause is not Cause.SLOW_START
