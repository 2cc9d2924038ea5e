"""The slot table against simulated children, through histories that Hypothesis makes up.

The simulation does what the pool's shell does, and knows what each child really ran. The promises: an attempt is
reported exactly once, or was cancelled or given back; it is begun by one child only, and never given back then; no
child gets work before it is ready or after it was told to die; no child gets work of two tenants; a kill hits only
what was to be killed; capacity is never negative; in the end nothing is left over.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any, ClassVar, TypeAlias

import hypothesis
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from mpcsfaas.interfaces import Assignment
from mpcsfaas.model import Attempt, AttemptKey, AttemptResult, FailureKind, Function, Task
from mpcsfaas.worker.actions import Action, GiveBack, Kill, Recall, Report, Send, Spawn
from mpcsfaas.worker.exits import Cause, ChildExit
from mpcsfaas.worker.slot import Phase, Slot
from mpcsfaas.worker.slots import GIVE_BACK_SECONDS, OVERTAKING_SECONDS, RECALL_SECONDS, SlotTable

SLOTS, PREFETCH, RECYCLE_AFTER = 3, 4, 7
TENANTS = {"f": "red", "g": "blue", "h": "green"}
"""Whose each function is."""


@dataclass
class SimulatedChild:
    """What a real child and its socket would hold."""

    queue: deque[Send] = field(default_factory=deque)
    functions: set[str] = field(default_factory=set)
    tenant: str = ""
    running: Send | None = None
    answers: deque[AttemptResult | AttemptKey] = field(default_factory=deque)
    """Not yet read by the pool: a result, or the key of an attempt whose function is needed."""
    ready: bool = False
    killed: bool = False
    begun: int = 0
    takes_during_recall: bool = False
    """Whether it is quicker than the pool once."""

    def take(self) -> AttemptKey | None:
        """Take the next message; the key of what thereby begins to run, if anything does."""
        send = self.queue.popleft()
        if send.with_function:
            self.functions.add(send.assignment.function.id)
        if send.assignment.function.id not in self.functions:
            self.answers.append(send.assignment.attempt.key)
            return None
        self.running = send
        self.begun += 1
        return send.assignment.attempt.key


def key_of(send: Send) -> AttemptKey:
    return send.assignment.attempt.key


ChildRule: TypeAlias = Callable[["SlotMachine", int, st.DataObject], None]


def for_a_child(fits: Callable[[SimulatedChild], object]) -> Callable[[ChildRule], Any]:
    """A rule that is tried when there is a child that `fits`, and is given the slot of one."""

    def decorate(act: ChildRule) -> Any:
        def body(self: "SlotMachine", data: st.DataObject) -> None:
            act(self, data.draw(st.sampled_from(self.slots_of(fits))), data)

        body.__name__ = act.__name__
        return precondition(lambda self: self.slots_of(fits))(rule(data=st.data())(body))

    return decorate


class SlotMachine(RuleBasedStateMachine):
    """Drives a table."""

    attempts = Bundle("attempts")
    table_class: ClassVar[type[SlotTable]] = SlotTable
    tenants: ClassVar[Mapping[str, str]] = TENANTS

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        self.children: dict[int, SimulatedChild] = {}
        self.submitted: dict[AttemptKey, Assignment] = {}
        self.submitted_at: dict[AttemptKey, float] = {}
        self.cancelled: set[AttemptKey] = set()
        self.given_back: set[AttemptKey] = set()
        self.begun: Counter[AttemptKey] = Counter()
        self.reported: Counter[AttemptKey] = Counter()
        self.failures: dict[AttemptKey, FailureKind] = {}
        self.may_crash: set[AttemptKey] = set()

    @initialize(gives_back=st.booleans())
    def start(self, gives_back: bool) -> None:
        self.gives_back = gives_back
        self.table = self.table_class(SLOTS, PREFETCH, RECYCLE_AFTER, "worker", gives_back)
        self.act(self.table.start(self.now))

    def slots_of(self, fits: Callable[[SimulatedChild], object]) -> list[int]:
        return [slot for slot, child in self.children.items() if fits(child)]

    # The shell

    def act(self, actions: Sequence[Action]) -> None:
        pending = deque(actions)
        while pending:
            pending += self.carry_out(pending.popleft())

    def carry_out(self, action: Action) -> Sequence[Action]:
        match action:
            case Send():
                self.send(action)
            case Report(results):
                self.reported.update(result.key for result in results)
                self.failures.update((result.key, result.failure.kind) for result in results if result.failure)
            case Recall(slot):
                return self.recall(slot)
            case Kill(slot):
                self.kill(slot)
            case Spawn(slot):
                assert slot not in self.children, "a slot has two children"
                self.children[slot] = SimulatedChild()
            case GiveBack(keys):
                self.give_back(keys)
        return ()

    def give_back(self, keys: Sequence[AttemptKey]) -> None:
        assert not self.given_back.intersection(keys), "given back twice"
        assert not self.cancelled.intersection(keys), "given back, though nobody wants it"
        assert self.table.capacity(self.now) == 0, "wants more, and so what it gives back"
        used = [slot for slot in self.table.slots if slot.phase is not Phase.DOWN]
        assert all(slot.sent and self.now - slot.running_since >= GIVE_BACK_SECONDS for slot in used), "not stuck"
        self.given_back.update(keys)

    def send(self, send: Send) -> None:
        child = self.children[send.slot]
        assert child.ready, "sent to a child that is not ready"
        assert not child.killed, "sent to a child that was told to die"
        tenant = send.assignment.function.tenant
        assert child.tenant in ("", tenant), "sent to a child that another tenant has used"
        self.nobody_is_starved(send)
        child.tenant = tenant
        child.queue.append(send)

    def nobody_is_starved(self, send: Send) -> None:
        """No tenant's attempts wait for long while later ones of others are sent, and no child will be free for it."""
        if any(slot.will_be_fresh or slot.tenant is None for slot in self.table.slots):
            return
        waiting: dict[str, float] = {}
        for key in self.waiting():
            tenant = self.submitted[key].function.tenant
            waiting[tenant] = max(waiting.get(tenant, 0.0), self.submitted_at[key])
        earlier = min(self.submitted_at[key_of(send)], self.now - OVERTAKING_SECONDS)
        starved = [tenant for tenant, since in waiting.items() if since < earlier]
        with_children = {slot.tenant for slot in self.table.slots}  # one that was fresh a moment ago, perhaps
        assert with_children.issuperset(starved), "overtaken for too long"

    def waiting(self) -> Iterator[AttemptKey]:
        """What is in the table's hands, and in no child's."""
        sent = {entry.key for slot in self.table.slots for entry in slot.sent}
        gone: Iterable[AttemptKey] = {*sent, *self.reported, *self.cancelled, *self.given_back}
        return (key for key in self.submitted if key not in gone)

    def recall(self, slot: int) -> list[Action]:
        child = self.children[slot]
        if child.takes_during_recall and len(child.queue) > 1:
            self.take_another(child)
        self.table.took_back(slot, [key_of(send) for send in child.queue])
        child.queue.clear()
        return [*self.read(slot), *self.table.recalled(slot, self.now)]

    def take_another(self, child: SimulatedChild) -> None:
        """The child ends what it runs and takes a message from the middle: those before it, the pool had just taken."""
        if child.running:
            child.answers.append(AttemptResult(*key_of(child.running)))
            child.running = None
        child.queue.rotate(-1)
        self.begun.update(filter(None, [child.take()]))

    def kill(self, slot: int) -> None:
        child = self.children[slot]
        child.killed = True
        assert not child.queue, "killed while it could still take an attempt"
        if child.running:
            key, timeout = key_of(child.running), child.running.assignment.timeout
            overdue = timeout is not None and self.now >= self.table.slots[slot].running_since + timeout
            assert key in self.cancelled or overdue, "killed an attempt that was neither cancelled nor overdue"

    def read(self, slot: int) -> list[Action]:
        actions: list[Action] = []
        answers, self.children[slot].answers = self.children[slot].answers, deque()
        for answer in answers:
            if isinstance(answer, AttemptResult):
                actions += self.table.results(slot, [answer], self.now)
            else:
                actions += self.table.needs_function(slot, answer, self.now)
        return actions

    # What may happen

    @rule(
        target=attempts,
        function=st.sampled_from(sorted(TENANTS)),
        timeout=st.none() | st.sampled_from([0.01, 5.0]),
        count=st.integers(1, 12),
    )
    def submit(self, function: str, timeout: float | None, count: int) -> list[AttemptKey]:
        assignments = []
        for _ in range(count):
            task = Task(f"task-{len(self.submitted)}", function, b"", "dill", 0.0)
            body = Function(function, function, b"", "dill", 0.0, tenant=self.tenants[function])
            assignment = Assignment(Attempt(task, 1, 0.0), body, timeout)
            self.submitted[assignment.attempt.key] = assignment
            self.submitted_at[assignment.attempt.key] = self.now
            assignments.append(assignment)
        self.act(self.table.submit(assignments, self.now))
        return [assignment.attempt.key for assignment in assignments]

    @rule(keys=attempts, stride=st.integers(1, 4))
    def cancel(self, keys: list[AttemptKey], stride: int) -> None:
        self.cancelled.update(keys[::stride])
        self.act(self.table.cancel(keys[::stride]))

    @rule(seconds=st.sampled_from([0.0001, 0.002, 0.02, 1.0, 31.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self.let_it_tick()

    def let_it_tick(self) -> None:
        for _ in range(5):
            wake_at = self.table.wake_at()
            if wake_at is None or wake_at > self.now:
                return
            self.act(self.table.tick(self.now))
        raise AssertionError("does not come to rest")

    @for_a_child(lambda child: not child.ready and not child.killed)
    def child_comes_up(self, slot: int, data: st.DataObject) -> None:
        self.children[slot].ready = True
        self.act(self.table.ready(slot, self.now))

    @for_a_child(lambda child: child.queue and not child.running)
    def child_takes(self, slot: int, data: st.DataObject) -> None:
        while self.children[slot].queue and not self.children[slot].running:
            self.begun.update(filter(None, [self.children[slot].take()]))

    @for_a_child(lambda child: child.running)
    def child_answers(self, slot: int, data: st.DataObject) -> None:
        child = self.children[slot]
        assert child.running is not None
        seconds = data.draw(st.sampled_from([0.0001, 0.02, 1.0]))
        child.answers.append(AttemptResult(*key_of(child.running), finished_at=seconds))
        child.running = None
        what_next = data.draw(st.sampled_from(["is read", "is not read yet", "dies"]))
        if what_next == "is read":
            self.act(self.read(slot))
        if what_next == "dies":
            self.bury(slot)

    @for_a_child(lambda child: child.answers)
    def pool_reads(self, slot: int, data: st.DataObject) -> None:
        self.act(self.read(slot))

    @for_a_child(lambda child: child.ready)
    def child_is_about_to_be_quick(self, slot: int, data: st.DataObject) -> None:
        self.children[slot].takes_during_recall = True

    @for_a_child(lambda child: child.functions)
    def child_forgets(self, slot: int, data: st.DataObject) -> None:
        self.children[slot].functions.clear()

    @for_a_child(lambda child: child.killed)
    def killed_child_dies(self, slot: int, data: st.DataObject) -> None:
        self.bury(slot)

    @for_a_child(lambda child: True)
    def child_crashes(self, slot: int, data: st.DataObject) -> None:
        self.bury(slot)

    @for_a_child(lambda child: child.ready and not child.killed)
    def child_is_to_be_replaced(self, slot: int, data: st.DataObject) -> None:
        child = self.children[slot]
        at_once = not child.running and not child.takes_during_recall and data.draw(st.booleans())
        self.act(self.table.retire(slot, Cause.TOO_MANY_PROCESSES if at_once else Cause.RECYCLED))

    def bury(self, slot: int) -> None:
        child = self.children.pop(slot)
        if child.running:
            self.may_crash.add(key_of(child.running))
        results = [answer for answer in child.answers if isinstance(answer, AttemptResult)]
        keys = [answer for answer in child.answers if not isinstance(answer, AttemptResult)]
        keys += [key_of(send) for send in child.queue]
        self.act(self.table.exited(slot, results, keys, ChildExit(code=-11), self.now))

    @precondition(lambda self: len(self.children) < SLOTS)
    @rule(data=st.data())
    def spawn_fails_again(self, data: st.DataObject) -> None:
        down = [slot.index for slot in self.table.slots if slot.phase is Phase.DOWN]
        if down:
            self.table.spawn_failed(data.draw(st.sampled_from(down)), self.now)

    # What must hold

    @invariant()
    def promises(self) -> None:
        assert self.table.capacity(self.now) >= 0
        assert self.table.outstanding() >= 0
        for key, times in self.reported.items():
            assert times == 1, f"{key} was reported {times} times"
            assert key in self.submitted
        for key, times in self.begun.items():
            assert times == 1, f"{key} was begun {times} times"
            assert key not in self.given_back, f"{key} was begun and given back"
        for key, kind in self.failures.items():
            assert kind is not FailureKind.CRASHED or key in self.may_crash, f"{key} is said to have crashed"
            assert kind is not FailureKind.TIMEOUT or self.submitted[key].timeout is not None

    @invariant()
    def no_child_serves_too_long(self) -> None:
        assert all(child.begun <= RECYCLE_AFTER for child in self.children.values())

    @invariant()
    def no_child_is_left_unfed(self) -> None:
        """While attempts wait, a child that could take one is not idle, and others make room for those that can."""
        tenants = {self.submitted[key].function.tenant for key in self.waiting()}
        idle = [slot for slot in self.table.slots if slot.is_idle]
        if tenants and idle:
            assert tenants.isdisjoint(slot.tenant for slot in idle), "an idle child of its tenant's"
            assert all(slot.tenant for slot in idle), "an idle child of nobody's"
            assert any(slot.will_be_fresh for slot in self.table.slots), "no child will ever take it"

    @invariant()
    def nothing_waits_for_long_where_nothing_ends(self) -> None:
        """While the clock is minded, what waits where every slot is at one attempt for long is given back."""
        used = [slot for slot in self.table.slots if slot.phase is not Phase.DOWN]
        wake_at = self.table.wake_at()
        if not self.gives_back or (wake_at is not None and wake_at <= self.now):
            return
        if used and all(s.phase is Phase.READY and s.sent and self.now - s.running_since >= 2.0 for s in used):
            assert self.table.outstanding() == len(used)

    def teardown(self) -> None:
        """However it stands, when all children do their work everything comes to its end."""
        for _ in range(20 + 6 * len(self.submitted)):
            if not self.table.outstanding():
                break
            self.work_off()
        unreported = set(self.submitted) - set(self.reported) - self.cancelled - self.given_back
        assert not unreported, f"lost: {unreported}"
        assert self.table.outstanding() == 0

    def work_off(self) -> None:
        """One round in which every child does the next thing."""
        self.now += 11.0
        self.act(self.table.tick(self.now))
        for slot, child in list(self.children.items()):
            if child.killed:
                self.bury(slot)
            elif not child.ready:
                child.ready = True
                self.act(self.table.ready(slot, self.now))
            elif child.running:
                key = key_of(child.running)
                child.running = None
                child.answers.append(AttemptResult(*key))
            elif child.queue:
                self.begun.update(filter(None, [child.take()]))
            self.act(self.read(slot) if slot in self.children else [])
        self.promises()


class SlotMachineOfOneTenant(SlotMachine):
    tenants = dict.fromkeys(TENANTS, "red")


TestSlots = SlotMachine.TestCase
TestSlotsOfOneTenant = SlotMachineOfOneTenant.TestCase
for case in (TestSlots, TestSlotsOfOneTenant):
    case.settings = settings(max_examples=40, stateful_step_count=50, deadline=None)


class LosesWhatIsRecalled(SlotTable):
    def _take_back(self, slot: Slot, keys: Sequence[AttemptKey]) -> None:
        super()._take_back(slot, keys)
        if keys:
            self._backlog.pop(next(iter(self._backlog.waiting))) if self._backlog else None


class RunsTwiceWhatIsRecalled(SlotTable):
    def _take_back(self, slot: Slot, keys: Sequence[AttemptKey]) -> None:
        returned = [entry for entry in slot.sent if entry.key in keys]
        super()._take_back(slot, keys)
        self._backlog.append(returned)


class TakesTheLatestForRecalled(SlotTable):
    def took_back(self, index: int, keys: Sequence[AttemptKey]) -> None:
        sent = self.slots[index].sent
        super().took_back(index, [entry.key for entry in list(sent)[len(sent) - len(keys) :]])


class KillsWithoutRecall(SlotTable):
    def _overdue(self, slot: Slot, now: float) -> list[Action]:
        if slot.phase is Phase.READY and slot.deadline is not None and now >= slot.deadline:
            return [self._kill(slot, Cause.TIMEOUT, now)]
        return super()._overdue(slot, now)


class KillsWhoeverRunsBeforeTheCancelled(SlotTable):
    def _recall(self, slot: Slot) -> list[Action]:
        cancelled = slot.phase is Phase.READY and any(entry.cancelled for entry in slot.sent)
        return [self._kill(slot, Cause.CANCELLED, 0.0)] if cancelled else super()._recall(slot)


class SendsToTheDying(SlotTable):
    def _room(self, slot: Slot, now: float) -> int:
        return PREFETCH - len(slot.sent) if slot.phase is Phase.STOPPING else super()._room(slot, now)


class SendsWhileRecalling(SlotTable):
    def _room(self, slot: Slot, now: float) -> int:
        return PREFETCH - len(slot.sent) if slot.recalling else super()._room(slot, now)


class BlamesTheQueued(SlotTable):
    def _victim(self, slot: Slot, child_exit: ChildExit, now: float) -> list[AttemptResult]:
        slot.sent.extend(entry for entry in list(self._backlog)[:1] if not slot.sent)
        return super()._victim(slot, child_exit, now)


class ReportsLastWordsTwice(SlotTable):
    def exited(
        self,
        index: int,
        results: Sequence[AttemptResult],
        keys: Sequence[AttemptKey],
        child_exit: ChildExit,
        now: float,
    ) -> list[Action]:
        return [Report(results), *super().exited(index, results, keys, child_exit, now)]


class ServesTooLong(SlotTable):
    def _room(self, slot: Slot, now: float) -> int:
        return super()._room(slot, now) + (slot.served == RECYCLE_AFTER - 1)


class ForgetsToFeedTheNewcomer(SlotTable):
    def ready(self, index: int, now: float) -> list[Action]:
        super().ready(index, now)
        return []


class GivesBackWhatRuns(SlotTable):
    def _surplus(self, now: float) -> list[Action]:
        running = [slot.sent[0].key for slot in self.slots if slot.sent]
        return [GiveBack([*keys, *running]) for [keys] in super()._surplus(now)]  # type: ignore[misc]


class GivesBackAndKeeps(SlotTable):
    def _surplus(self, now: float) -> list[Action]:
        kept = list(self._backlog)
        actions = super()._surplus(now)
        self._backlog.append(kept if actions else ())
        return actions


class GivesBackWithoutRecall(SlotTable):
    """What is in a child's socket may begin at any moment."""

    def _recall(self, slot: Slot) -> list[Action]:
        untaken = list(slot.sent)[1:] if slot.alone else []
        if not untaken:
            return super()._recall(slot)
        self._take_back(slot, [entry.key for entry in untaken])
        return []


class WantsWhatItGivesBack(SlotTable):
    def _depth(self, slot: Slot, now: float) -> int:
        return super()._depth(slot, slot.running_since)


class GivesBackTooEarly(SlotTable):
    def _stuck_at(self) -> float:
        return super()._stuck_at() - GIVE_BACK_SECONDS + 2 * RECALL_SECONDS


class KeepsForEver(SlotTable):
    def _stuck_at(self) -> float:
        return inf


class SharesChildren(SlotTable):
    def _next_tenant(self, slot: Slot, now: float) -> str | None:
        oldest = self._backlog.oldest()
        return oldest.tenant if oldest else None


class TakesAnIdleChildForFresh(SlotTable):
    def _settle(self, slot: Slot, results: Sequence[AttemptResult], now: float) -> list[AttemptResult]:
        settled = super()._settle(slot, results, now)
        slot.tenant = slot.tenant if slot.sent else None
        return settled


class ReplacesNobody(SlotTable):
    def _replace(self, now: float) -> Iterator[Action]:
        return iter(())


class LetsTenantsStarve(SlotTable):
    def _next_tenant(self, slot: Slot, now: float) -> str | None:
        return super()._next_tenant(slot, 0.0)


BROKEN_FOR_TENANTS = [SharesChildren, TakesAnIdleChildForFresh, ReplacesNobody, LetsTenantsStarve]


@pytest.mark.parametrize("broken", [*SlotTable.__subclasses__()])
def test_the_machine_catches(broken: type[SlotTable]) -> None:
    base = SlotMachine if broken in BROKEN_FOR_TENANTS else SlotMachineOfOneTenant
    machine = type("Machine", (base,), {"table_class": broken})
    quick = settings(
        max_examples=1000,
        stateful_step_count=50,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[hypothesis.Phase.generate],
    )
    with pytest.raises((AssertionError, IndexError, ValueError, ExceptionGroup)):
        run_state_machine_as_test(machine, settings=quick)
