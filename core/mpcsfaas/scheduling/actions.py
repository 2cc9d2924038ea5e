"""What the scheduler asks its shell to do."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from mpcsfaas.model import AttemptKey, AttemptResult
from mpcsfaas.wire import FromDispatcher


@dataclass(frozen=True, slots=True)
class Say:
    """Send messages, in frames of this version, to the worker at the other end of this route."""

    route: bytes
    version: int
    messages: Sequence[FromDispatcher]


@dataclass(frozen=True, slots=True)
class Report:
    """Hand over outcomes."""

    results: Sequence[AttemptResult]


@dataclass(frozen=True, slots=True)
class Adopt:
    """Ask for attempts that a worker holds; the answer goes to `Scheduler.adopted`."""

    worker_id: str
    keys: Sequence[AttemptKey]


@dataclass(frozen=True, slots=True)
class GiveBack:
    """Let attempts go back to the queue: they never began."""

    keys: Sequence[AttemptKey]


@dataclass(frozen=True, slots=True)
class Lose:
    """Note that a worker was lost."""

    worker_id: str
    attempts: int


@dataclass(frozen=True, slots=True)
class Grow:
    """`capacity` may have grown."""


Action: TypeAlias = Say | Report | Adopt | GiveBack | Lose | Grow
