"""What the slot table asks of the pool."""

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

from mpcsfaas.interfaces.strategy import Assignment
from mpcsfaas.model import AttemptKey, AttemptResult


class Spawn(NamedTuple):
    """Start a child."""

    slot: int


class Send(NamedTuple):
    """Send an attempt to a child, with its function if the child lacks it."""

    slot: int
    assignment: Assignment
    with_function: bool


class Recall(NamedTuple):
    """Take back what the child has not taken, and call `took_back`; then handle its results; then call `recalled`."""

    slot: int


class Kill(NamedTuple):
    """Kill the child with all its descendants; call `exited` once it is gone."""

    slot: int


class Report(NamedTuple):
    """Hand over outcomes."""

    results: Sequence[AttemptResult]


class GiveBack(NamedTuple):
    """Hand attempts back: they never began, and the pool has forgotten them."""

    keys: Sequence[AttemptKey]


Action: TypeAlias = Spawn | Send | Recall | Kill | Report | GiveBack
