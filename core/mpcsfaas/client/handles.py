"""What is known of a task that was submitted, and which of many to wait for. No I/O."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Generic, TypeVar, cast

from mpcsfaas.client.chaining import Chainable
from mpcsfaas.client.operations import LONGEST_WAIT
from mpcsfaas.client.outcome import Outcome
from mpcsfaas.model import State

T_co = TypeVar("T_co", covariant=True)
H = TypeVar("H", bound="BaseHandle[Any]")

MAX_ASKED = 1000
"""Tasks that one request may ask about."""
ROUND = 0.5
"""Seconds to wait for some of the tasks, when there are more than one request may ask about."""


class BaseHandle(Chainable[T_co]):
    """A task's id, its function's `name` if that is known here, and what was last heard of it."""

    __slots__ = ("_outcome", "_state", "id", "name")

    def __init__(self, task_id: str, name: str = "") -> None:
        self.id = task_id
        self.name = name
        self._state: State | None = None
        self._outcome: Outcome | None = None

    @property
    def chained_id(self) -> str:
        """As an argument of another task, it stands for its result."""
        return self.id

    @property
    def outcome(self) -> Outcome | None:
        """How the task ended, once that has been fetched."""
        return self._outcome

    def heard(self, state: State) -> State:
        """Remember the state; returns it."""
        self._state = state
        return state

    def ended(self, outcome: Outcome) -> None:
        """Remember the outcome."""
        self._outcome = outcome

    def unwrap(self, return_error: bool = False) -> T_co:
        """The value, of a task whose outcome was fetched. Raises its exception, unless that is to be returned."""
        if self._outcome is None:
            raise RuntimeError(f"The outcome of {self!r} was not fetched. Call result().")
        if return_error and self._outcome.error is not None:
            return cast(T_co, self._outcome.error)
        return cast(T_co, self._outcome.unwrap())

    def __repr__(self) -> str:
        words = (type(self).__name__, self.name, self.id, self._fate())
        return f"<{' '.join(filter(None, words))}>"

    def _fate(self) -> str:
        if self._outcome is None:
            return self._state or ""
        value, error = self._outcome
        return f"returned {type(value).__name__}" if error is None else f"raised {type(error).__name__}"


class Awaited(Generic[H]):
    """Which of some tasks have not ended yet, and what to ask next. Decisions only."""

    def __init__(self, handles: Iterable[H], timeout: float | None, clock: Callable[[], float]) -> None:
        """`timeout` in seconds begins now."""
        self.known: list[H] = []
        """Those whose outcome had been fetched before."""
        self._waiting: dict[str, list[H]] = {}
        for handle in handles:
            if handle.outcome is None:
                self._waiting.setdefault(handle.id, []).append(handle)
            else:
                self.known.append(handle)
        self._timeout = timeout
        self._clock = clock
        self._end = None if timeout is None else clock() + timeout
        self._never_asked = len(self._waiting)

    def __bool__(self) -> bool:
        """True while there are tasks that have not ended."""
        return bool(self._waiting)

    def question(self) -> tuple[list[str], float]:
        """Ids to ask about, and for how many seconds the gateway may wait for the first of them to end.

        Raises `TimeoutError` when time is up and all have been asked about.
        """
        ids = list(self._waiting)[:MAX_ASKED]
        wait = LONGEST_WAIT if len(ids) == len(self._waiting) else ROUND
        if self._end is not None:
            wait = max(0.0, min(wait, self._end - self._clock()))
        if not wait and self._never_asked <= 0:
            raise TimeoutError(
                f"Tasks that have not ended within {self._timeout:g} s: {len(self._waiting)}. They go on."
                " Ask again, or cancel them."
            )
        self._never_asked -= len(ids)
        return ids, wait

    def answered(self, ids: Iterable[str], outcomes: Mapping[str, Outcome]) -> list[H]:
        """Take in what came of a question; the handles that have ended. The others are asked about last."""
        ended: list[H] = []
        for task_id in ids:
            handles = self._waiting.pop(task_id)
            if task_id in outcomes:
                ended += handles
                for handle in handles:
                    handle.ended(outcomes[task_id])
            else:
                self._waiting[task_id] = handles
        return ended
