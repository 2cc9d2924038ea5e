"""What takes the place of a worker's pool of processes: the real slot table, over simulated children."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import groupby
from typing import Any, cast

from mpcsfaas.interfaces import Assignment, Serializer
from mpcsfaas.model import AttemptKey, AttemptResult
from mpcsfaas.testing.simulation.behaviour import Runs
from mpcsfaas.testing.simulation.child import Sent, SimulatedChild
from mpcsfaas.testing.simulation.process import Process, current
from mpcsfaas.worker.actions import Action, GiveBack, Kill, Recall, Report, Send, Spawn
from mpcsfaas.worker.exits import ChildExit
from mpcsfaas.worker.options import PoolOptions
from mpcsfaas.worker.slots import SlotTable

START_SECONDS = 0.05
"""Until a child is up, on average."""
KILLED = 9


class SimulatedPool:
    """As `mpcsfaas.worker.pool.ProcessPool`."""

    def __init__(
        self,
        options: PoolOptions,
        serializers: Sequence[Serializer],
        report: Callable[[Sequence[AttemptResult]], None],
        capacity_changed: Callable[[], None],
        worker_id: str,
        give_back: Callable[[Sequence[AttemptKey]], None] | None = None,
        **others: object,
    ) -> None:
        self.process: Process = current()
        self.runs: Runs = self.process.runs
        self.table = SlotTable(
            options.workers, options.prefetch, options.recycle_after, worker_id, gives_back=give_back is not None
        )
        self._report = report
        self._give_back = give_back
        self._capacity_changed = capacity_changed
        self._worker_id = worker_id
        self._children: dict[int, SimulatedChild] = {}
        self._outcomes: list[AttemptResult] = []
        self._wakes_at: float | None = None
        self._stopped = False

    async def start(self) -> None:
        """Start the children."""
        self._act(self.table.start(time.monotonic()))

    def capacity(self) -> int:
        """How many more attempts are wanted now."""
        return 0 if self._stopped else self.table.capacity(time.monotonic())

    def busy(self) -> int:
        """Slots that run something."""
        return 0 if self._stopped else self.table.busy()

    def submit(self, assignments: Sequence[Assignment]) -> None:
        """Take over attempts."""
        if not self._stopped:
            self._act(self.table.submit(assignments, time.monotonic()))

    def cancel(self, keys: Sequence[AttemptKey]) -> None:
        """Stop attempts."""
        if not self._stopped:
            self._act(self.table.cancel(keys))
            self._capacity_changed()

    async def stop(self) -> None:
        """Kill everything."""
        self._stopped = True
        for child in self._children.values():
            child.kill()

    # Carrying out

    def _act(self, actions: Iterable[Action]) -> None:
        pending = deque(actions)
        while pending:
            pending += self._carry_out(pending.popleft())
        self._set_timer()
        if self._outcomes:
            outcomes, self._outcomes = self._outcomes, []
            self._report(outcomes)

    def _carry_out(self, action: Action) -> Sequence[Action]:
        match action:
            case Send(slot, assignment, with_function):
                self._children[slot].put(Sent(assignment, with_function))
            case Report(results):
                self._outcomes += results
            case Recall(slot):
                self.table.took_back(slot, self._children[slot].recall())
                return [*self._receive(slot), *self.table.recalled(slot, time.monotonic())]
            case Kill(slot):
                self._children[slot].kill()
            case Spawn(slot):
                self._spawn(slot)
            case GiveBack(keys):
                if self._give_back:
                    self._give_back(keys)
        return ()

    def _spawn(self, slot: int) -> None:
        self._children[slot] = child = SimulatedChild(
            self.process, self.runs, self._worker_id, partial(self._on_readable, slot), partial(self._on_exit, slot)
        )
        delay = self.process.timeline.random.expovariate(1 / START_SECONDS)
        self.process.call_later(delay, self._on_ready, slot, child)

    # What happens

    def _on_ready(self, slot: int, child: SimulatedChild) -> None:
        if child.alive and not self._stopped:
            self._act(self.table.ready(slot, time.monotonic()))
            self._capacity_changed()

    def _on_readable(self, slot: int) -> None:
        if slot in self._children and not self._stopped:
            self._act(self._receive(slot))
            self._capacity_changed()

    def _receive(self, slot: int) -> list[Action]:
        actions: list[Action] = []
        for kind, messages in groupby(self._children[slot].receive(), type):
            actions += self._handle(slot, kind, list(messages))
        return actions

    def _handle(self, slot: int, kind: type, messages: list[Any]) -> list[Action]:
        now = time.monotonic()
        if kind is AttemptResult:
            return self.table.results(slot, cast(list[AttemptResult], messages), now)
        return [action for key in messages for action in self.table.needs_function(slot, key, now)]

    def _on_exit(self, slot: int) -> None:
        if self._stopped:
            return
        child = self._children.pop(slot)
        said = child.receive()
        results = [one for one in said if isinstance(one, AttemptResult)]
        keys = [*child.recall(), *(one for one in said if not isinstance(one, AttemptResult))]
        self._act(self.table.exited(slot, results, keys, ChildExit(time.time(), -KILLED), time.monotonic()))
        self._capacity_changed()

    # Time

    def _set_timer(self) -> None:
        wake_at = self.table.wake_at()
        if wake_at is None or (self._wakes_at is not None and self._wakes_at <= wake_at):
            return
        self._wakes_at = wake_at
        self.process.call_at(wake_at, self._on_timer, wake_at)

    def _on_timer(self, wake_at: float) -> None:
        if self._wakes_at == wake_at:
            self._wakes_at = None
        if not self._stopped:
            self._act(self.table.tick(time.monotonic()))
            self._capacity_changed()
