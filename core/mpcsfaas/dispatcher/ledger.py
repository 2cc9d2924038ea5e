"""What a dispatcher holds, from the claim of an attempt to its durable outcome. Pure: no clock, no I/O.

An attempt is *running* from `take` to `report`, then *pending* until `settle` says that storage has its outcome. Both
need their lease renewed. `drop` forgets an attempt at either stage: somebody else has it now, or it was cancelled.
"""

from collections.abc import Iterable, Sequence

from mpcsfaas.dispatcher.outcomes import conclude, give_back, lapsed, overdue
from mpcsfaas.model import Attempt, AttemptKey, AttemptResult, Transition


class Ledger:
    """The attempts in one dispatcher's hands. Each is in exactly one of two places: running or pending."""

    def __init__(self, default_deadline: float | None = None) -> None:
        self.default_deadline = default_deadline
        self._running: dict[AttemptKey, Attempt] = {}
        self._pending: dict[AttemptKey, Transition] = {}

    def __len__(self) -> int:
        return len(self._running) + len(self._pending)

    @property
    def running(self) -> int:
        """How many attempts are with the strategy."""
        return len(self._running)

    @property
    def uncommitted(self) -> int:
        """How many attempts have ended without storage knowing."""
        return len(self._pending)

    def is_running(self, key: AttemptKey) -> bool:
        """Whether the attempt is with the strategy, or about to be."""
        return key in self._running

    def take(self, attempts: Iterable[Attempt], now: float) -> list[tuple[Attempt, float | None]]:
        """Note claimed attempts; those to dispatch, each with the seconds that it may run.

        Attempts that are past their deadline are not dispatched but become pending as failed. One that is pending has
        ended, whatever a worker may say that still runs it: its end may be on its way to storage.
        """
        return [(attempt, limit) for attempt in attempts for limit in self._admit(attempt, now)]

    def take_lapsed(self, attempts: Iterable[Attempt], now: float) -> None:
        """Note attempts taken over from a dispatcher that is gone: they become pending as lost.

        One that this dispatcher itself still runs is left alone: its own lease lapsed while it was suspended, and the
        takeover has just renewed it.
        """
        for attempt in attempts:
            if attempt.key not in self._running and attempt.key not in self._pending:
                self._conclude(attempt, lapsed(attempt, now), now, 0.0)

    def take_overdue(self, attempts: Iterable[Attempt], now: float) -> None:
        """Note attempts that storage has found past their deadline: they become pending as failed.

        Whether they are is not asked again, for the clock here may be behind: what is not dispatched must end.
        """
        for attempt in attempts:
            deadline_at = self._deadline_at(attempt) or now
            self._fail_overdue(attempt, deadline_at, max(now, deadline_at))

    def report(self, results: Iterable[AttemptResult], now: float, jitter: float) -> list[AttemptKey]:
        """Note what the strategy says; the keys among it that are not held, about which nobody wants to hear more.

        Repeats of what is pending are without effect.
        """
        unwanted = []
        for result in results:
            attempt = self._running.pop(result.key, None)
            if attempt is not None:
                self._conclude(attempt, result, now, jitter)
            elif result.key not in self._pending:
                unwanted.append(result.key)
        return unwanted

    def pending(self, limit: int) -> list[Transition]:
        """Up to `limit` transitions to commit, oldest first."""
        return [transition for transition, _ in zip(self._pending.values(), range(limit), strict=False)]

    def settle(self, transitions: Iterable[Transition]) -> None:
        """Forget transitions that storage has applied or fenced."""
        for transition in transitions:
            self._pending.pop(transition.key, None)

    def keys(self) -> list[AttemptKey]:
        """Everything held: what to renew."""
        return [*self._running, *self._pending]

    def drop(self, keys: Sequence[AttemptKey]) -> list[AttemptKey]:
        """Forget attempts that are no longer ours; those among them that the strategy has to stop."""
        stopped = [key for key in keys if self._running.pop(key, None)]
        for key in keys:
            self._pending.pop(key, None)
        return stopped

    def give_back(self, keys: Iterable[AttemptKey], now: float) -> list[AttemptKey]:
        """Make those that run pending as queued again; their keys, for whoever has to stop them."""
        running = [key for key in keys if key in self._running]
        for key in running:
            self._pending[key] = give_back(self._running.pop(key), now)
        return running

    def _admit(self, attempt: Attempt, now: float) -> list[float | None]:
        """The attempt's time limit as a list of one; empty if it is not to run."""
        if attempt.key in self._pending:
            return []
        deadline_at = self._deadline_at(attempt)
        if deadline_at is not None and deadline_at <= now:
            self._fail_overdue(attempt, deadline_at, now)
            return []
        self._running[attempt.key] = attempt
        remaining = None if deadline_at is None else deadline_at - now
        return [min((limit for limit in (attempt.task.options.timeout, remaining) if limit is not None), default=None)]

    def _fail_overdue(self, attempt: Attempt, deadline_at: float, now: float) -> None:
        self._conclude(attempt, overdue(attempt, deadline_at - attempt.task.created_at, now), now, 0.0)

    def _deadline_at(self, attempt: Attempt) -> float | None:
        deadline = attempt.task.options.deadline
        if deadline is None:
            deadline = self.default_deadline
        return None if deadline is None else attempt.task.created_at + deadline

    def _conclude(self, attempt: Attempt, result: AttemptResult, now: float, jitter: float) -> None:
        self._pending[attempt.key] = conclude(attempt, result, now, jitter, self._deadline_at(attempt))
