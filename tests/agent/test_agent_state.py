"""The agent's state under a dispatcher that says anything, twice, late or never."""

from collections.abc import Iterable, Sequence
from itertools import count
from typing import Any, ClassVar

import hypothesis.strategies as st
import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from mpcsfaas.model import AttemptKey, AttemptResult, FailureKind, Function
from mpcsfaas.wire import (
    Beat,
    Cancel,
    FromDispatcher,
    FromWorker,
    Functions,
    Hello,
    Job,
    Jobs,
    Leaving,
    NeedFunctions,
    Refused,
    Results,
    Returned,
    Settled,
    Unknown,
    Welcome,
)
from mpcsfaas.worker.agent_state import ASK_SECONDS, HELLO_SECONDS, AgentState, End, Stop, Submit
from mpcsfaas.worker.function_store import FunctionStore
from mpcsfaas.worker.outbox import RESEND_SECONDS, Outbox

QUICK = settings(max_examples=400, stateful_step_count=30, deadline=None, derandomize=True, phases=[Phase.generate])
HELLO = Hello("w", "host", 1, slots=2, window=2)
FUNCTIONS = [f"f{number}" for number in range(3)]


def function(name: str, size: int = 4) -> Function:
    return Function(name, name, b"x" * size, "json", 0.0)


def job(key: AttemptKey, function_id: str = "f0") -> Job:
    return Job(key.task_id, key.number, function_id, b"payload", "json")


class AgentMachine(RuleBasedStateMachine):
    """The model: where each attempt is that the worker was ordered, and is neither cancelled nor settled."""

    make: ClassVar[type[AgentState]] = AgentState

    def __init__(self) -> None:
        super().__init__()
        self.now = 100.0
        self.state = self.make(HELLO)
        self.numbers = count()
        self.welcome = False
        self.received = 0
        self.said_hello_at = -1000.0
        self.bodies: set[str] = set()
        self.waiting: dict[AttemptKey, str] = {}
        self.running: set[AttemptKey] = set()
        self.unsettled: dict[AttemptKey, bool] = {}
        """Whether it is a result; else it is given back."""
        self.window = self.told_window = HELLO.window
        self.said_at: dict[AttemptKey, float] = {}
        self.asked_at = -1000.0
        self.orders: list[Jobs | Cancel] = []
        self.over: list[AttemptKey] = []

    def hear(self, message: FromDispatcher) -> None:
        for action in self.state.receive(message):
            match action:
                case Submit(assignments):
                    for assignment in assignments:
                        key = assignment.attempt.key
                        assert key in self.waiting, "began what is not wanted, or began it twice"
                        assert assignment.function.id == self.waiting.pop(key)
                        self.running.add(key)
                case Stop(keys):
                    assert set(keys) <= self.running
                    self.running -= set(keys)
                case End():
                    raise AssertionError("nobody refused")

    @property
    def held(self) -> set[AttemptKey]:
        return {*self.waiting, *self.running, *self.unsettled}

    def some(self, data: st.DataObject, keys: Iterable[AttemptKey]) -> list[AttemptKey]:
        known = sorted(keys)
        return data.draw(st.lists(st.sampled_from(known), unique=True, max_size=4)) if known else []

    # What the dispatcher says

    @initialize()
    def busy(self) -> None:
        """The worker is known, and has something to do."""
        self.speak()
        self.welcomed(10)
        self.functions({"f0"})
        keys = [AttemptKey(f"t{next(self.numbers)}", 1) for _ in range(4)]
        self.orders.append(Jobs(self.received + 1, tuple(map(job, keys))))
        self.take(keys, "f0")
        self.received += 1
        self.hear(self.orders[0])

    @rule(ahead=st.integers(0, 5))
    def welcomed(self, ahead: int) -> None:
        """A dispatcher's numbers do not fall; earlier orders are void."""
        self.received += ahead
        self.orders.clear()
        self.hear(Welcome(1, 1.0, "d", self.received))
        self.welcome, self.said_at, self.asked_at = True, {}, -1000.0

    @rule()
    def unknown(self) -> None:
        self.said_hello_at = -1000.0 if self.welcome else self.said_hello_at
        self.welcome = False
        self.hear(Unknown())

    @rule(fresh=st.integers(0, 3), name=st.sampled_from(FUNCTIONS), data=st.data())
    def order(self, fresh: int, name: str, data: st.DataObject) -> None:
        """The next order; with what is held already, perhaps."""
        keys = [*(AttemptKey(f"t{next(self.numbers)}", 1) for _ in range(fresh)), *self.some(data, self.held)]
        jobs = Jobs(self.received + 1, tuple(job(key, self.waiting.get(key, name)) for key in keys))
        if self.welcome:
            self.take(keys, name)
            self.received += 1
            self.orders.append(jobs)
        self.hear(jobs)

    def take(self, keys: Sequence[AttemptKey], name: str) -> None:
        for key in keys:
            if key not in self.held and self.state.leaving:
                self.unsettled[key] = False
            elif key not in self.held:
                self.waiting[key] = name

    @rule(data=st.data(), gap=st.booleans())
    def order_cancel(self, data: st.DataObject, gap: bool) -> None:
        """It may overtake other orders."""
        keys = self.some(data, [*self.held, *self.over[-2:]])
        cancel = Cancel(self.received + (2 if gap else 1), tuple(keys))
        if self.welcome:
            self.received += 0 if gap else 1
            self.orders += [] if gap else [cancel]
            self.forget(keys)
            stopped = set(keys) & self.running
        self.hear(cancel)
        if self.welcome:
            assert not stopped & self.running, "cancelled, but not stopped"

    def forget(self, keys: Iterable[AttemptKey]) -> None:
        for key in keys:
            self.waiting.pop(key, None)
            self.unsettled.pop(key, None)
            self.said_at.pop(key, None)
            self.over.append(key)

    @precondition(lambda self: self.orders)
    @rule(data=st.data())
    def order_again(self, data: st.DataObject) -> None:
        """What was received is without effect."""
        self.hear(data.draw(st.sampled_from(self.orders)))

    @rule(gap=st.integers(2, 4))
    def order_after_a_gap(self, gap: int) -> None:
        """What comes too early is said again later."""
        self.hear(Jobs(self.received + gap, (job(AttemptKey(f"t{next(self.numbers)}", 1)),)))

    @rule(names=st.sets(st.sampled_from(FUNCTIONS), min_size=1))
    def functions(self, names: set[str]) -> None:
        self.bodies |= names
        self.hear(Functions(tuple(map(function, sorted(names)))))

    @rule(data=st.data())
    def settle(self, data: st.DataObject) -> None:
        keys = self.some(data, [*self.unsettled, *self.over[-2:]])
        self.hear(Settled(tuple(keys)))
        self.forget(set(keys) & self.unsettled.keys())

    # What the worker does

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        keys = self.some(data, self.running)
        self.running -= set(keys)
        self.unsettled |= dict.fromkeys(keys, True)
        late = self.over[-2:]  # The pool may still report what was cancelled.
        self.state.finish([AttemptResult(*key, value=b"done") for key in [*keys, *late]])

    @rule(busy=st.integers(0, 2), window=st.integers(0, 9))
    def stand(self, busy: int, window: int) -> None:
        self.window = 0 if self.state.leaving else window
        self.state.stand(busy, window)

    @precondition(lambda self: self.running)
    @rule(data=st.data(), window=st.integers(0, 2))
    def give_back(self, data: st.DataObject, window: int) -> None:
        """The pool has recalled some, and wants no more for now."""
        keys = self.some(data, self.running)
        self.running -= set(keys)
        self.unsettled |= dict.fromkeys(keys, False)
        self.state.give_back([*keys, *self.over[-2:]])
        self.stand(2, window)
        self.speak()

    @rule(really=st.integers(0, 9))
    def leave(self, really: int) -> None:
        if really == 0:
            self.let_go()

    def let_go(self) -> None:
        self.state.leave()
        self.window = 0
        self.unsettled |= dict.fromkeys(self.waiting, False)
        self.waiting.clear()

    # What the worker says

    @rule(steps=st.lists(st.sampled_from([0.0, 0.3, 1.0, 3.0, 7.0]), min_size=1, max_size=3))
    def speak_later(self, steps: list[float]) -> None:
        for step in steps:
            self.now += step
            self.speak()

    def speak(self) -> None:
        said: list[FromWorker] = []
        while messages := self.state.outgoing(self.now):
            said += messages
            assert len(said) < 100, "does not come to an end"
        assert self.state.gone or self.state.wake_at() > self.now or not said
        self.check_hello([message for message in said if isinstance(message, Hello)])
        if self.welcome:
            self.check_said(said)
        else:
            assert all(isinstance(message, Hello) for message in said), "spoke before it was known"

    def check_hello(self, hellos: Sequence[Hello]) -> None:
        has_gone = self.state.leaving and not self.held
        due = not self.welcome and not has_gone and self.now >= self.said_hello_at + HELLO_SECONDS
        assert len(hellos) == due
        for hello in hellos:
            assert set(hello.held) == self.held
            self.said_hello_at = self.now

    def check_said(self, said: Sequence[FromWorker]) -> None:
        for message in said:
            match message:
                case Beat(received=received, window=window):
                    assert received == self.received
                    self.told_window = window
                    assert not (self.state.leaving and window), "leaves, but wants more"
                case Results(_, results):
                    self.check_handed_in([result.key for result in results], True)
                case Returned(_, keys, received):
                    assert received == self.received
                    assert self.told_window == self.window or self.said_at.keys() >= set(keys), "they would come back"
                    self.check_handed_in(keys, False)
                case NeedFunctions(_, function_ids):
                    assert set(function_ids) == set(self.waiting.values())
                    self.asked_at = self.now
                case Leaving():
                    assert self.state.leaving
        overdue = [key for key in self.unsettled if self.said_at.get(key, -1000.0) + RESEND_SECONDS < self.now]
        assert not overdue, "handed in too seldom"
        assert not self.waiting or self.asked_at + ASK_SECONDS >= self.now, "asked too seldom"

    def check_handed_in(self, keys: Iterable[AttemptKey], is_result: bool) -> None:
        for key in keys:
            assert self.unsettled.get(key) == is_result, "handed in what is not at hand"
            assert self.said_at.get(key, -1000.0) + RESEND_SECONDS <= self.now, "handed in too often"
            self.said_at[key] = self.now

    # What always holds

    @invariant()
    def it_holds_what_it_was_given(self) -> None:
        assert set(self.state.held) == self.held
        assert len(self.state.held) == len(self.held)
        assert self.state.running == len(self.running)

    @invariant()
    def nobody_waits_for_what_is_here(self) -> None:
        assert not self.bodies & set(self.waiting.values())

    @invariant()
    def it_asks_for_what_it_has_room_for(self) -> None:
        fetch = self.state.fetch(1.0)
        if fetch:
            assert self.welcome
            assert not self.state.leaving
            assert (fetch.received, fetch.want > 0) == (self.received, True)

    def teardown(self) -> None:
        """When everything is settled, a worker that leaves goes as soon as the dispatcher lets it."""
        self.let_go()
        self.welcomed(1)
        self.state.finish([AttemptResult(*key) for key in self.running])
        self.unsettled |= dict.fromkeys(self.running, True)
        self.running.clear()
        self.speak()
        self.hear(Settled(tuple(self.unsettled)))
        assert not self.state.gone, "an order may be on its way"
        self.hear(Unknown())
        assert self.state.gone


def test_the_agent_keeps_its_promises() -> None:
    chosen = settings(max_examples=100, stateful_step_count=40, deadline=None)
    run_state_machine_as_test(AgentMachine, settings=chosen)


# Agents that break one promise each


class Forgetful(AgentState):
    """Results are forgotten when they were said."""

    def outgoing(self, now: float) -> list[FromWorker]:
        said = super().outgoing(now)
        for message in said:
            if isinstance(message, Results):
                self._outbox.settle([result.key for result in message.results])
        return said


class Silent(AgentState):
    """What was said is not said again after another welcome."""

    def _on_welcome(self, welcome: Welcome) -> None:
        self._outbox.say_all_again = lambda: None  # type: ignore[method-assign]
        super()._on_welcome(welcome)


class Repeating(AgentState):
    """Begins again what was begun."""

    def _holds(self, key: AttemptKey) -> bool:
        return False


class Rerunning(AgentState):
    """Obeys repeated orders."""

    def _is_next(self, sequence: int) -> bool:
        self._received = max(sequence, self._received)
        return self.welcome


class Leaping(AgentState):
    """Obeys orders after a gap."""

    def _is_next(self, sequence: int) -> bool:
        fresh = self.welcome and sequence > self._received
        self._received = max(sequence, self._received)
        return fresh


class Bold(AgentState):
    """Hands in before it is known."""

    def outgoing(self, now: float) -> list[FromWorker]:
        return [*super().outgoing(now), *([] if self.welcome else self._hand_in(now))]


class Shy(AgentState):
    """Does not tell of what is not handed in."""

    @property
    def held(self) -> tuple[AttemptKey, ...]:
        return tuple(key for key in super().held if key not in self._outbox)


class Deaf(AgentState):
    """Results that were cancelled are kept."""

    def _on_cancel(self, keys: Sequence[AttemptKey]) -> list[Any]:
        return super()._on_cancel([key for key in keys if key not in self._outbox])


class Haunted(AgentState):
    """Hands in what was cancelled."""

    def finish(self, results: Iterable[AttemptResult]) -> None:
        self._running |= {result.key for result in results}
        super().finish(results)


class Greedy(AgentState):
    """Wants more though it leaves."""

    def stand(self, busy: int, window: int) -> None:
        self._news, self._busy, self._window = True, busy, window


class Stuck(AgentState):
    """Keeps what cannot begin when it leaves."""

    def leave(self) -> None:
        self.leaving = True


class Mute(AgentState):
    """Asks once for a function."""

    asked = False

    def _ask(self, now: float) -> list[FromWorker]:
        said = [] if self.asked else super()._ask(now)
        self.asked = self.asked or bool(said)
        return said


class Chatty(AgentState):
    """Greets whenever it can."""

    def _greet(self, now: float) -> list[FromWorker]:
        if now <= self._hello_at - HELLO_SECONDS:
            return []
        self._hello_at = 0.0
        return super()._greet(now)


class Bouncing(AgentState):
    """Gives back before it has said that it wants less."""

    def give_back(self, keys: Iterable[AttemptKey]) -> None:
        due = self._beat_at
        super().give_back(keys)
        self._beat_at = due


class Undecided(AgentState):
    """Gives back, and still expects to begin it."""

    def give_back(self, keys: Iterable[AttemptKey]) -> None:
        running = self._running.copy()
        super().give_back(keys)
        self._running = running


BROKEN = [
    Forgetful, Silent, Repeating, Rerunning, Leaping, Bold, Shy, Deaf, Haunted, Greedy, Stuck, Mute, Chatty,
    Bouncing, Undecided,
]  # fmt: skip


@pytest.mark.parametrize("broken", BROKEN)
def test_the_machine_catches(broken: type[AgentState]) -> None:
    machine = type("Machine", (AgentMachine,), {"make": broken})
    with pytest.raises((AssertionError, KeyError)):
        run_state_machine_as_test(machine, settings=QUICK)


def test_a_refusal_ends_it() -> None:
    assert AgentState(HELLO).receive(Refused("too old")) == [End("too old")]


def test_a_result_that_no_frame_can_hold_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mpcsfaas.worker.agent_state.MAX_FRAME", 2_000_000)
    state = AgentState(HELLO)
    state.receive(Welcome(1, 1.0, "d", 0))
    state.receive(Functions((function("f0"),)))
    state.receive(Jobs(1, (job(AttemptKey("t", 1)),)))
    state.finish([AttemptResult("t", 1, value=b"x" * 1_500_000)])
    [results] = [message for message in state.outgoing(0.0) if isinstance(message, Results)]
    failure = results.results[0].failure
    assert failure is not None
    assert (failure.kind, results.results[0].value) == (FailureKind.RESULT_TOO_LARGE, b"")


def test_what_is_handed_in_fills_frames() -> None:
    outbox = Outbox()
    for number in range(3):
        outbox.put(AttemptResult(f"t{number}", 1, value=b"x" * 3_000_000))
    assert [len(outbox.take(0.0)[0]) for _ in range(4)] == [1, 1, 1, 0]


def test_functions_are_kept_within_bounds() -> None:
    store = FunctionStore(limit=10)
    store.add([function("a"), function("b")])
    assert store.get("a")
    store.add([function("c"), function("c")])
    assert [name for name in "abc" if store.get(name)] == ["a", "c"]
    store.add([function("large", 100)])
    assert [name for name in ("a", "c", "large") if store.get(name)] == ["large"]
