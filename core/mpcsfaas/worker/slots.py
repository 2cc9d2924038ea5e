"""Which slot runs what: the pool's decisions, as a state machine without processes, sockets or clocks.

Each method is an event and returns the actions to take, in order; `now` is monotonic seconds. Four rules hold it up:

- A child works off its messages in order, one at a time. So the first entry of `Slot.sent` is the one that runs, and
  when a child is gone, whatever it did not take from its socket never started.
- A child is killed only after `Recall`: then it holds one attempt at most, and nobody else's can be hit.
- An attempt is in exactly one place, the backlog or one slot, until it is reported, cancelled or given back. It is
  given back from the backlog only, and so never after it was begun.
- A child belongs to the tenant of the first attempt that it was sent. For another's it is replaced, when it is idle.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import count
from math import ceil, inf

from mpcsfaas.interfaces.strategy import Assignment
from mpcsfaas.model import AttemptKey, AttemptResult
from mpcsfaas.worker.actions import Action, GiveBack, Kill, Recall, Report, Send, Spawn
from mpcsfaas.worker.backlog import Backlog
from mpcsfaas.worker.exits import Cause, ChildExit, failure_of_exit
from mpcsfaas.worker.messages import KNOWN_FUNCTIONS
from mpcsfaas.worker.slot import Entry, Phase, Slot

PREFETCH_SECONDS = 0.05
"""How much work is held ready per slot, judged by how long tasks took of late."""
RECALL_SECONDS = 0.003
"""How long tasks wait behind a running one while another slot is idle."""
GIVE_BACK_SECONDS = 1.0
"""How long tasks wait while every slot runs the same task, before another worker may have them."""
OVERTAKING_SECONDS = 0.1
"""How long an attempt waits at most while those of other tenants overtake it, as their children take no other's."""
START_SECONDS = 30.0
"""How long a child may take to come up."""
FIRST_BACKOFF, LAST_BACKOFF = 0.1, 10.0
"""Waits between tries to start a child that does not come up."""
SMOOTHING = 0.2
"""Weight of the latest task in the mean duration."""


class SlotTable:
    """The pool's slots and the attempts that wait for one."""

    def __init__(
        self, slots: int, prefetch: int, recycle_after: int | None, worker_id: str, gives_back: bool = False
    ) -> None:
        """`gives_back` if there is somebody who takes attempts back."""
        self.slots = [Slot(index) for index in range(slots)]
        self._backlog = Backlog()
        self._turns = count()
        self._prefetch = prefetch
        self._recycle_after = recycle_after
        self._worker_id = worker_id
        self._gives_back = gives_back
        self._mean_seconds = PREFETCH_SECONDS

    # What the pool asks

    def capacity(self, now: float) -> int:
        """How many more attempts are wanted; never negative."""
        return max(0, sum(self._depth(slot, now) for slot in self._usable()) - self.outstanding())

    def outstanding(self) -> int:
        """Attempts in the pool's hands."""
        return len(self._backlog) + sum(len(slot.sent) for slot in self.slots)

    def busy(self) -> int:
        """Slots that run something."""
        return sum(bool(slot.sent) for slot in self.slots)

    def wake_at(self) -> float | None:
        """When `tick` is due, if nothing happens before."""
        due = min(self._due_times(), default=inf)
        return None if due == inf else due

    # Events

    def start(self, now: float) -> list[Action]:
        """The pool starts."""
        return [self._spawn(slot, now) for slot in self.slots]

    def submit(self, assignments: Iterable[Assignment], now: float) -> list[Action]:
        """Attempts were handed over."""
        others_wait = bool(self._backlog)
        self._backlog.append(
            Entry(assignment, now, turn) for assignment, turn in zip(assignments, self._turns, strict=False)
        )
        if others_wait and len(self._backlog.waiting) == 1 and not self._idle():
            return []  # no slot has room for the tenant's, or they would not have waited
        return list(self._fill(now))

    def ready(self, index: int, now: float) -> list[Action]:
        """A child came up."""
        slot = self.slots[index]
        slot.phase, slot.since, slot.failed_starts = Phase.READY, now, 0
        return list(self._fill(now))

    def results(self, index: int, results: Sequence[AttemptResult], now: float) -> list[Action]:
        """A child answered the oldest entries, in their order."""
        slot = self.slots[index]
        settled = self._settle(slot, results, now)
        if slot.cause is None and self._recycle_after and slot.served >= self._recycle_after:
            slot.cause = Cause.RECYCLED
        return [Report(settled), *(self._recall(slot) if slot.cause else self._refill(slot, now))]

    def needs_function(self, index: int, key: AttemptKey, now: float) -> list[Action]:
        """A child passed an entry over, because it does not hold the function."""
        slot = self.slots[index]
        slot.running_since = now
        self._take_back(slot, [key])
        return list(self._refill(slot, now))

    def took_back(self, index: int, keys: Sequence[AttemptKey]) -> None:
        """`Recall` brought back `keys`; not always the latest, for the child may have taken one meanwhile."""
        self._take_back(self.slots[index], keys)

    def recalled(self, index: int, now: float) -> list[Action]:
        """`Recall` was carried out."""
        slot = self.slots[index]
        slot.recalling = False
        cause = self._cause_to_kill(slot, now)
        if cause is None:
            return list(self._fill(now))
        return [self._kill(slot, cause, now), *self._fill(now)]

    def exited(
        self,
        index: int,
        results: Sequence[AttemptResult],
        keys: Sequence[AttemptKey],
        child_exit: ChildExit,
        now: float,
    ) -> list[Action]:
        """A child is gone: it had still answered `results`, and left `keys` untouched."""
        slot = self.slots[index]
        came_up, slot.phase = slot.came_up, Phase.DOWN
        self._take_back(slot, keys)  # first, for it may have passed over an entry before the ones that it answered
        outcomes = self._settle(slot, results, now)
        outcomes += self._victim(slot, child_exit, now)
        self._take_back(slot, [entry.key for entry in slot.sent])
        actions: list[Action] = [Report(outcomes)]
        if came_up:
            actions.append(self._spawn(slot, now))
        else:
            self.spawn_failed(index, now)
        return [*actions, *self._fill(now)]

    def spawn_failed(self, index: int, now: float) -> None:
        """A child did not come up."""
        slot = self.slots[index]
        backoff = min(LAST_BACKOFF, FIRST_BACKOFF * 2 ** min(slot.failed_starts, 16))
        slot.phase, slot.since, slot.failed_starts = Phase.DOWN, now + backoff, slot.failed_starts + 1

    def cancel(self, keys: Iterable[AttemptKey]) -> list[Action]:
        """Attempts are no longer wanted; unknown keys are ignored."""
        unwanted = set(keys)
        self._backlog.remove(unwanted)
        actions: list[Action] = []
        for slot in self.slots:
            found = [entry for entry in slot.sent if entry.key in unwanted]
            for entry in found:
                entry.cancelled = True
            if found:
                actions += self._recall(slot)
        return actions

    def retire(self, index: int, cause: Cause) -> list[Action]:
        """A child is to be replaced: after its running attempt if it is RECYCLED, else at once."""
        slot = self.slots[index]
        if slot.phase is not Phase.READY:
            return []
        slot.cause = cause
        return self._recall(slot)

    def tick(self, now: float) -> list[Action]:
        """Time passed."""
        return self._surplus(now) or [action for slot in self.slots for action in self._overdue(slot, now)]

    # Decisions

    def _usable(self) -> list[Slot]:
        return [slot for slot in self.slots if slot.phase is not Phase.DOWN]

    def _depth(self, slot: Slot, now: float) -> int:
        """How many attempts a slot is given, the running one included; when that one is long, nothing else.

        It is long only after the whole `PREFETCH_SECONDS`: a pool that is slow to read results must not want less.
        """
        if slot.sent and now - slot.running_since > PREFETCH_SECONDS:
            return 1
        return 1 + min(self._prefetch, int(PREFETCH_SECONDS / max(self._mean_seconds, 1e-6)))

    def _room(self, slot: Slot, now: float) -> int:
        if slot.phase is not Phase.READY or slot.cause is not None or slot.recalling:
            return 0
        limit = 1 if slot.alone else self._depth(slot, now)
        if self._recycle_after:
            limit = min(limit, self._recycle_after - slot.served)
        return limit - len(slot.sent)

    def _fill(self, now: float) -> Iterator[Action]:
        """Deal the backlog out, to the emptiest slots first, and of these to the fresh ones last."""
        if not self._backlog:
            return
        fresh_last = sorted(self.slots, key=_is_fresh)
        for level in range(max(self._depth(slot, now) for slot in self.slots)):
            for slot in fresh_last:
                if len(slot.sent) <= level and self._room(slot, now) > 0:
                    yield from self._give(slot, 1, now)
                    if not self._backlog:
                        return
        yield from self._replace(now)

    def _refill(self, slot: Slot, now: float) -> Iterator[Action]:
        """As `_fill`, when only this slot can have room."""
        yield from self._give(slot, self._room(slot, now), now)
        if self._backlog and not slot.sent:
            yield from self._replace(now)

    def _give(self, slot: Slot, most: int, now: float) -> Iterator[Send]:
        """Send a slot with room what it may have."""
        for _ in range(most):
            tenant = self._next_tenant(slot, now)
            if tenant is None:
                return
            yield self._send(slot, tenant, now)

    def _next_tenant(self, slot: Slot, now: float) -> str | None:
        """Whose attempt a slot with room is to take now."""
        if self._backlog.is_only_of(slot.tenant):
            return slot.tenant
        oldest = self._backlog.oldest()
        if oldest is None:
            return None
        if slot.tenant is None or slot.tenant == oldest.tenant:
            return oldest.tenant
        if now - oldest.handed_over_at >= OVERTAKING_SECONDS and not any(each.will_be_fresh for each in self.slots):
            return None
        return slot.tenant if slot.tenant in self._backlog.waiting else None

    def _replace(self, now: float) -> Iterator[Action]:
        """Have idle children replaced that are of no use to the tenants whose attempts wait."""
        idle = self._idle()
        if not idle:
            return
        depth = self._depth(idle[0], now)
        wanted = sum(ceil(waiting / depth) for waiting in self._backlog.waiting.values())
        coming = sum(slot.will_be_fresh for slot in self.slots)
        for slot in idle[: max(0, wanted - coming)]:
            slot.cause = Cause.RECYCLED
            yield from self._recall(slot)

    def _idle(self) -> list[Slot]:
        return [slot for slot in self.slots if slot.is_idle]

    def _send(self, slot: Slot, tenant: str, now: float) -> Send:
        slot.tenant, entry = tenant, self._backlog.pop(tenant)
        entry.sent_at = now
        if not slot.sent:
            slot.running_since = now
        slot.sent.append(entry)
        function = entry.assignment.function.id
        known = function in slot.functions
        if not known:
            if len(slot.functions) >= KNOWN_FUNCTIONS:
                slot.functions.clear()
            slot.functions.add(function)
        return Send(slot.index, entry.assignment, not known)

    def _settle(self, slot: Slot, results: Sequence[AttemptResult], now: float) -> list[AttemptResult]:
        """Remove the entries that `results` answer; whatever else was answered was not the child's to answer."""
        settled = []
        for result in results:
            if not slot.sent or slot.sent[0].key != result.key:
                slot.cause = Cause.MISBEHAVED
                break
            slot.sent.popleft()
            settled.append(result)
        if settled:
            slot.served += len(settled)
            slot.running_since, slot.alone = now, False
            latest = settled[-1].finished_at - settled[-1].started_at
            self._mean_seconds += SMOOTHING * (latest - self._mean_seconds)
        return settled

    def _take_back(self, slot: Slot, keys: Sequence[AttemptKey]) -> None:
        """Put entries that were not started back in front of the backlog."""
        wanted = set(keys)
        returned = [entry for entry in slot.sent if entry.key in wanted]
        slot.sent = deque(entry for entry in slot.sent if entry.key not in wanted)
        slot.functions.difference_update(entry.assignment.function.id for entry in returned)
        self._backlog.put_back([entry for entry in returned if not entry.cancelled])

    def _surplus(self, now: float) -> list[Action]:
        """Give back what waits, if no slot has taken anything for long."""
        if not self._backlog or now < self._stuck_at():
            return []
        return [GiveBack(self._backlog.clear())]

    def _recall(self, slot: Slot) -> list[Action]:
        if slot.phase is not Phase.READY or slot.recalling:
            return []
        slot.recalling = True
        return [Recall(slot.index)]

    def _cause_to_kill(self, slot: Slot, now: float) -> Cause | None:
        if slot.phase is not Phase.READY:
            return None
        if slot.sent and slot.sent[0].cancelled:
            return Cause.CANCELLED
        if slot.deadline is not None and now >= slot.deadline:
            return Cause.TIMEOUT
        return None if slot.cause is Cause.RECYCLED and slot.sent else slot.cause

    def _kill(self, slot: Slot, cause: Cause, now: float) -> Kill:
        slot.phase, slot.since, slot.cause = Phase.STOPPING, now, cause
        return Kill(slot.index)

    def _spawn(self, slot: Slot, now: float) -> Spawn:
        failed_starts = slot.failed_starts
        self.slots[slot.index] = Slot(slot.index, Phase.STARTING, since=now, failed_starts=failed_starts)
        return Spawn(slot.index)

    def _victim(self, slot: Slot, child_exit: ChildExit, now: float) -> list[AttemptResult]:
        """What becomes of the attempt that a dead child was running."""
        if not slot.sent:
            return []
        entry = slot.sent.popleft()
        if entry.cancelled:
            return []
        attempt, at = entry.assignment.attempt, child_exit.at
        return [
            AttemptResult(
                attempt.task.id,
                attempt.number,
                failure=failure_of_exit(slot.cause, child_exit, entry.assignment),
                stdout=child_exit.stdout,
                stderr=child_exit.stderr,
                worker=self._worker_id,
                sent_at=at - (now - entry.sent_at),
                started_at=at - (now - slot.running_since),
                finished_at=at,
            )
        ]

    # Time

    def _due_times(self) -> Iterator[float]:
        someone_idle, stuck_at = self._someone_idle(), self._stuck_at()
        if self._backlog:
            yield stuck_at
        for slot in self.slots:
            if slot.phase is Phase.DOWN:
                yield slot.since
            elif slot.phase is Phase.STARTING:
                yield slot.since + START_SECONDS
            elif slot.phase is Phase.READY and slot.deadline is not None:
                yield slot.deadline
            if self._holds_up_others(slot):
                yield slot.running_since + RECALL_SECONDS if someone_idle else stuck_at

    def _stuck_at(self) -> float:
        """When every slot will have been at the same attempt for so long that those behind it are given back."""
        slots = self._usable()
        if not self._gives_back or not slots or any(slot.phase is not Phase.READY or not slot.sent for slot in slots):
            return inf
        return max(slot.running_since for slot in slots) + GIVE_BACK_SECONDS

    def _someone_idle(self) -> bool:
        return any(slot.phase is Phase.READY and not slot.sent for slot in self.slots)

    @staticmethod
    def _holds_up_others(slot: Slot) -> bool:
        return slot.phase is Phase.READY and len(slot.sent) > 1 and not slot.alone

    def _overdue(self, slot: Slot, now: float) -> list[Action]:
        if slot.phase is Phase.DOWN and now >= slot.since:
            return [self._spawn(slot, now)]
        if slot.phase is Phase.STARTING and now >= slot.since + START_SECONDS:
            return [self._kill(slot, Cause.SLOW_START, now)]
        if slot.deadline is not None and now >= slot.deadline:
            return self._recall(slot)
        is_slow = now >= slot.running_since + RECALL_SECONDS
        if is_slow and self._holds_up_others(slot) and (self._someone_idle() or now >= self._stuck_at()):
            slot.alone = True
            return self._recall(slot)
        return []


def _is_fresh(slot: Slot) -> bool:
    return slot.tenant is None
