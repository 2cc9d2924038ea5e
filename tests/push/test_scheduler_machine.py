"""The scheduler under workers and a dispatcher that do and say anything, its promises checked after every step."""

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
from msgspec.structs import replace

from mpcsfaas.interfaces import Assignment
from mpcsfaas.model import Attempt, AttemptKey, AttemptResult, FailureKind, Function, Task, TaskOptions
from mpcsfaas.scheduling import Action, Adopt, GiveBack, Policy, Report, Say, Scheduler, Session
from mpcsfaas.scheduling.scheduler import PATIENCE_SECONDS
from mpcsfaas.scheduling.session import Entry
from mpcsfaas.wire import (
    Beat,
    Cancel,
    FromDispatcher,
    FromWorker,
    Functions,
    Hello,
    Jobs,
    Leaving,
    NeedFunctions,
    Results,
    Returned,
    Settled,
    Unknown,
    Welcome,
)
from mpcsfaas_heartbeat.heartbeat import HeartbeatDetector, HeartbeatOptions

QUICK = settings(max_examples=2000, stateful_step_count=30, deadline=None, derandomize=True, phases=[Phase.generate])
PHASES = [Phase.reuse, Phase.generate, Phase.shrink]
WORKERS = ["w0", "w1", "w2", "w3"]
LABELS = [(), ("gpu",), ("gpu", "big")]
workers = st.sampled_from(WORKERS)
labels = st.sampled_from(LABELS)
rarely = st.integers(0, 4).map(lambda draw: draw == 4)
windows = st.integers(0, 6)


def assignment(number: int, demanded: Sequence[str] = ()) -> Assignment:
    function = Function(f"f{number % 3}", "f", b"body", "json", 0.0)
    task = Task(f"t{number}", function.id, b"payload", "json", 0.0, TaskOptions(labels=tuple(demanded)))
    return Assignment(Attempt(task, 1, 0.0), function, None)


class SchedulerMachine(RuleBasedStateMachine):
    """`live` is what was taken over and is neither reported nor cancelled; `unsettled` what was reported."""

    make: ClassVar[type[Scheduler]] = Scheduler
    policy: ClassVar[Policy] = Policy.MOST_FREE

    def __init__(self) -> None:
        super().__init__()
        self.now = self.latest = 100.0
        self.detector = HeartbeatDetector(HeartbeatOptions())
        self.scheduler = self.make("d", self.detector, 1000, self.policy)
        self.numbers = count()
        self.live: dict[AttemptKey, Assignment | None] = {}
        self.unsettled: dict[AttemptKey, str] = {}
        self.over: list[AttemptKey] = []
        self.foreign: list[AttemptKey] = []
        self.questions: dict[str, list[AttemptKey]] = {}
        self.sequences: dict[bytes, int] = {}
        self.bodies: dict[bytes, set[str]] = {}
        self.held: dict[bytes, set[AttemptKey]] = {}
        """What each worker said last that it holds."""
        self.told: dict[bytes, set[AttemptKey]] = {}
        """What each registered worker said that it holds, and was ordered since."""
        self.leaving: set[bytes] = set()
        self.given_back: dict[bytes, set[AttemptKey]] = {}
        """What each worker gave back, and was not told to forget."""

    # What is done with actions

    def do(self, actions: Iterable[Action]) -> None:
        for action in actions:
            match action:
                case Report(results):
                    for result in results:
                        self.on_report(result)
                case Say(route, _, messages):
                    for message in messages:
                        self.on_message(route, message)
                case GiveBack(keys):
                    assert all(self.live.pop(key) is None for key in keys), "only the queue has what was adopted"
                    self.over += keys
                case Adopt(worker_id, keys):
                    assert worker_id not in self.questions, "one question at a time"
                    assert not set(keys) & self.live.keys(), "asked for what is here"
                    self.questions[worker_id] = list(keys)

    def on_report(self, result: AttemptResult) -> None:
        if result.key in self.unsettled:
            assert result.failure is None, "lost after it was reported"
            assert self.unsettled[result.key] == result.worker, "reported by a second worker"
            return
        assert result.key in self.live, f"{result.key} is reported, but was over or never ours"
        del self.live[result.key]
        self.unsettled[result.key] = result.worker

    def on_message(self, route: bytes, message: FromDispatcher) -> None:
        match message:
            case Welcome(sequence=sequence):
                assert sequence >= self.sequences.get(route, 1000), "numbers fall"
                self.sequences[route] = sequence
                self.bodies[route] = set()
                self.told[route] = set(self.held[route])
                self.given_back[route] = set()
                self.leaving.discard(route)
            case Functions(functions):
                self.bodies[route] |= {function.id for function in functions}
            case Jobs(sequence, jobs):
                if self.is_new(route, sequence):
                    session = self.session(route)
                    assert len(session.attempts) <= session.window, "over the window"
                    assert route not in self.leaving, "given to one that leaves"
                    returning = self.given_back[route].intersection(job.key for job in jobs)
                    assert not returning, "given to one that still gives it back"
                self.told[route].update(job.key for job in jobs)
                for job in jobs:
                    assert job.key in self.live, "ordered what is over"
                    assert job.function_id in self.bodies[route], "without its function"
                    wanted = self.live[job.key]
                    assert wanted is not None
                    assert set(wanted.attempt.task.options.labels) <= self.session(route).labels, "without its labels"
            case Cancel(sequence, keys):
                self.is_new(route, sequence)
                self.given_back[route].difference_update(keys)

    def is_new(self, route: bytes, sequence: int) -> bool:
        """Whether this is a new order, not a repeated one; a new one has the next number."""
        latest = self.sequences[route]
        assert sequence <= latest + 1, "a gap in the numbers"
        self.sequences[route] = max(latest, sequence)
        return sequence == latest + 1

    def session(self, route: bytes) -> Session:
        found = [session for session in self.scheduler.sessions() if session.route == route]
        assert len(found) == 1, "said to nobody that is known"
        return found[0]

    def say(self, message: FromWorker) -> None:
        known = message.worker_id in self.known() or isinstance(message, Hello)
        actions = self.scheduler.hear(message.worker_id.encode(), message, self.now)
        if not known:
            assert [action.messages for action in actions if isinstance(action, Say)] == [[Unknown()]]
            return
        self.do(actions)

    def known(self) -> dict[str, Session]:
        return {session.hello.worker_id: session for session in self.scheduler.sessions()}

    def keys(self) -> list[AttemptKey]:
        return [*self.live, *self.unsettled, *self.over[-3:], *self.foreign[-3:]]

    def some(self, data: st.DataObject, keys: Sequence[AttemptKey]) -> list[AttemptKey]:
        return data.draw(st.lists(st.sampled_from(keys), unique=True, max_size=6)) if keys else []

    # What workers do

    @rule(worker=workers, window=windows, labels=labels, data=st.data(), claim=st.sampled_from(["all", "none", "any"]))
    def hello(self, worker: str, window: int, labels: tuple[str, ...], data: st.DataObject, claim: str) -> None:
        self.foreign.append(AttemptKey(f"foreign{next(self.numbers)}", 1))
        session = self.known().get(worker)
        held = [*session.attempts, *session.handed_in] if session and claim == "all" else []
        held = self.some(data, self.keys()) if claim == "any" else held
        self.held[worker.encode()] = set(held)
        self.say(Hello(worker, "host", 1, 2, window, labels, held=tuple(held)))

    @initialize(first=labels, second=labels)
    def two_workers(self, first: tuple[str, ...], second: tuple[str, ...]) -> None:
        """Two workers have something to do, and room for more."""
        for worker, own_labels in zip(WORKERS, [first, second], strict=False):
            self.held[worker.encode()] = set()
            self.say(Hello(worker, "host", 1, 2, 4, own_labels))
        taken = [assignment(next(self.numbers), demanded) for demanded in [first, first, second, second]]
        self.live |= {one.attempt.key: one for one in taken}
        self.do(self.scheduler.dispatch(taken, self.now))

    @precondition(lambda self: self.questions)
    @rule(data=st.data())
    def answer(self, data: st.DataObject) -> None:
        worker = data.draw(st.sampled_from(sorted(self.questions)))
        asked = [key for key in self.questions.pop(worker) if key in self.foreign]
        ours = self.some(data, [key for key in asked if key not in self.live and key not in self.unsettled])
        for key in ours:
            self.live[key] = None
            self.foreign.remove(key)
        self.do(self.scheduler.adopted(worker, ours, self.now))

    @rule(worker=workers, window=windows, lag=st.integers(-1, 4))
    def beat(self, worker: str, window: int, lag: int) -> None:
        received = max(0, self.sequences.get(worker.encode(), 0) - lag)
        self.say(Beat(worker, 0, window, received))

    @rule(worker=workers, data=st.data())
    def results(self, worker: str, data: st.DataObject) -> None:
        keys = self.some(data, self.keys())
        self.say(Results(worker, tuple(AttemptResult(*key, value=b"done", worker=worker) for key in keys)))

    @precondition(lambda self: any(session.attempts for session in self.known().values()))
    @rule(data=st.data(), window=st.integers(0, 2), lag=st.sampled_from([0, 0, 1, 3, None]))
    def returned(self, data: st.DataObject, window: int, lag: int | None) -> None:
        """What did not begin there, and whatever else; perhaps an old word, said before the last orders were heard.

        Without a lag, it is the word of an old worker, which does not say what it has heard.
        """
        worker = data.draw(st.sampled_from(sorted(name for name, one in self.known().items() if one.attempts)))
        session, route = self.known()[worker], worker.encode()
        received = 0 if lag is None else self.sequences[route] - lag
        keys = self.some(data, [*session.attempts, *self.keys()])
        before = dict(session.attempts)
        stays = {key for key in keys if received and key in before and before[key].sequence > received}
        self.say(Beat(worker, 2, min(window, len(set(before) - set(keys))), received))
        self.given_back[route].update(set(keys) & before.keys() - stays)
        reported = set(self.unsettled)
        self.say(Returned(worker, tuple(keys), received))
        assert self.unsettled.keys() == reported, "what was given back is reported, as lost"
        assert not self.given_back[route], "not told to forget"
        there = self.known()[worker].attempts.keys() if worker in self.known() else set()
        assert set(keys) & there == stays, "what was given back is there, or what was given since is not"
        assert not session.leaving or route in self.leaving, "taken for one that leaves"

    @rule(worker=workers, function=st.sampled_from(["f0", "f1", "f9"]))
    def need(self, worker: str, function: str) -> None:
        self.say(NeedFunctions(worker, (function,)))

    @rule(worker=workers, really=st.booleans())
    def leave(self, worker: str, really: bool) -> None:
        if really:
            self.leaving.add(worker.encode())
            self.say(Leaving(worker))

    # What the dispatcher does

    @precondition(lambda self: self.scheduler.capacity())
    @rule(data=st.data())
    def dispatch(self, data: st.DataObject) -> None:
        self.take_over(data, late=False)

    @precondition(lambda self: self.scheduler.capacity())
    @rule(data=st.data())
    def dispatch_late(self, data: st.DataObject) -> None:
        self.take_over(data, late=True)

    def take_over(self, data: st.DataObject, late: bool) -> None:
        """Take over as many as are wanted; if late, after the workers' room has changed."""
        room = self.scheduler.capacity()
        demanded = data.draw(st.sampled_from(self.scheduler.labels()))
        number = data.draw(st.sampled_from([room, 1, room // 2 + 1]))
        taken = [assignment(next(self.numbers), sorted(demanded)) for _ in range(number)]
        for worker in self.known() if late else ():
            self.beat(worker, 0, 0)
        self.live |= {one.attempt.key: one for one in taken}
        waiting_before = len(self.waiting())
        self.do(self.scheduler.dispatch(taken, self.now))
        assert late or len(self.waiting()) <= waiting_before, "wanted more than finds room"

    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        keys = self.some(data, self.keys())
        for key in keys:
            if key in self.live:
                del self.live[key]
                self.over.append(key)
        self.do(self.scheduler.cancel(keys, self.now))

    @rule(data=st.data())
    def settle(self, data: st.DataObject) -> None:
        keys = self.some(data, [*self.unsettled, *self.over[-3:]])
        for key in keys:
            if self.unsettled.pop(key, None) is not None:
                self.over.append(key)
        self.do(self.scheduler.settled(keys))

    @rule(step=st.sampled_from([-3.0, 0.1, 0.6, 2.0, 30.0]), heard=st.sets(workers))
    def time_passes(self, step: float, heard: set[str]) -> None:
        """A step back is a clock that falls back; a long one is a dispatcher that was stopped."""
        self.latest = max(self.now, self.latest)
        self.now += step
        for worker in sorted(heard & self.known().keys()):
            self.beat(worker, self.known()[worker].window, 0)
        self.do(self.scheduler.tick(self.now))
        assert not self.detector.suspects(self.now), "a suspect is still here"

    @rule(worker=workers, really=rarely)
    def evict(self, worker: str, really: bool) -> None:
        """Its key is revoked."""
        if really:
            self.do(self.scheduler.evict([worker]))
            assert worker not in self.known()

    @rule(really=rarely)
    def everybody_dies(self, really: bool) -> None:
        if really:
            self.silence()

    def silence(self) -> None:
        """Nobody says anything until all are lost."""
        end = max(self.now, self.latest) + 10
        while self.now < end:
            self.now += 0.5
            self.do(self.scheduler.tick(self.now))
        assert not self.known()

    # What always holds

    def waiting(self) -> set[AttemptKey]:
        return set(self.scheduler._backlog)

    @invariant()
    def every_attempt_is_in_one_place(self) -> None:
        places = [*self.waiting(), *(key for session in self.scheduler.sessions() for key in session.attempts)]
        assert sorted(places) == sorted(self.live)

    @invariant()
    def whoever_handed_in_is_remembered_until_it_is_settled(self) -> None:
        handed_in = [(key, session) for session in self.scheduler.sessions() for key in session.handed_in]
        for key, session in handed_in:
            assert self.unsettled[key] == session.hello.worker_id
        assert len({key for key, _ in handed_in}) == len(handed_in)

    @invariant()
    def holders_are_registered(self) -> None:
        held = [
            (key, one.hello.worker_id) for one in self.scheduler.sessions() for key in [*one.attempts, *one.handed_in]
        ]
        assert dict(held) == self.scheduler._holder

    @invariant()
    def workers_have_only_what_they_said_or_were_ordered(self) -> None:
        for session in self.scheduler.sessions():
            assert session.attempts.keys() <= self.told[session.route]

    @invariant()
    def credit_is_within_the_window(self) -> None:
        for session in self.scheduler.sessions():
            assert 0 <= session.credit <= session.window
        assert 0 <= self.scheduler.capacity() <= sum(session.credit for session in self.scheduler.sessions())

    @invariant()
    def groups_add_up(self) -> None:
        sessions = list(self.scheduler.sessions())
        sums = {session.labels: 0 for session in sessions}
        for session in sessions:
            sums[session.labels] += session.credit
        assert {labels: group.credit for labels, group in self.scheduler._floor._groups.items()} == sums
        assert set(self.scheduler.labels()) == {labels for labels, credit in sums.items() if credit}

    @invariant()
    def the_lists_of_workers_are_one(self) -> None:
        for group in self.scheduler._floor._groups.values():
            assert group.ranking._scores.keys() == {worker for worker, credit in group.credits.items() if credit}

    @invariant()
    def nobody_waits_for_nothing(self) -> None:
        """What waits has no worker with room."""
        for waiting in self.scheduler._backlog.values():
            demanded = set(waiting.assignment.attempt.task.options.labels)
            assert not [one for one in self.scheduler.sessions() if demanded <= one.labels and one.credit]

    def teardown(self) -> None:
        """When everybody is silent, everything is reported."""
        for worker in list(self.questions):
            self.do(self.scheduler.adopted(worker, [], self.now))
        self.questions.clear()
        self.silence()
        self.now += PATIENCE_SECONDS + 1
        self.do(self.scheduler.tick(self.now))
        assert not self.live
        assert not self.scheduler._holder


def run(machine: type[SchedulerMachine], chosen: settings) -> None:
    run_state_machine_as_test(machine, settings=chosen)


@pytest.mark.parametrize("policy", Policy)
def test_the_scheduler_keeps_its_promises(policy: Policy) -> None:
    machine = type("Machine", (SchedulerMachine,), {"policy": policy})
    run(machine, settings(max_examples=40, stateful_step_count=40, deadline=None, phases=PHASES))


# Schedulers that break one promise each


class Forgetful(Scheduler):
    """Attempts of a lost worker are not reported."""

    def _evict(self, worker_id: str, reason: str = "") -> None:
        self._detector.forget(worker_id)
        session = self._floor.remove(worker_id)
        self._forget(session.attempts if session else ())
        self._forget(session.handed_in if session else ())


class Immortal(Scheduler):
    """A suspect stays."""

    def _evict(self, worker_id: str, reason: str = "") -> None:
        self._detector.forget(worker_id)


class Generous(Scheduler):
    """Wants more than it has room for."""

    def capacity(self) -> int:
        return super().capacity() and super().capacity() + 1


class Summing(Scheduler):
    """Adds up the room of groups with different labels."""

    def capacity(self) -> int:
        return max(0, sum(session.credit for session in self.sessions()) - len(self._backlog))


class Credulous(Scheduler):
    """Takes results from whoever brings them."""

    def _on_results(self, session: Session, results: Sequence[AttemptResult], now: float) -> None:
        for result in results:
            if result.key in self._holder:
                self._holder[result.key] = session.hello.worker_id
        super()._on_results(session, results, now)


class Repeating(Scheduler):
    """Reports whatever comes."""

    def _on_results(self, session: Session, results: Sequence[AttemptResult], now: float) -> None:
        self._actions.append(Report(results))


class Unfenced(Scheduler):
    """A cancelled attempt stays with its worker."""

    def cancel(self, keys: Sequence[AttemptKey], now: float) -> list[Action]:
        return []


class Clinging(Scheduler):
    """Attempts that a worker gave back stay with it."""

    def _on_returned(self, session: Session, returned: Returned, now: float) -> None:
        self._say(session, [Settled(returned.keys)])


class Gullible(Scheduler):
    """Believes an old word about an attempt that was ordered again since, and may run."""

    def _on_returned(self, session: Session, returned: Returned, now: float) -> None:
        super()._on_returned(session, replace(returned, received=0), now)


class Bouncing(Scheduler):
    """Gives back at once what was given back."""

    def _on_returned(self, session: Session, returned: Returned, now: float) -> None:
        session.window = len(session.attempts)
        super()._on_returned(session, returned, now)


class Offended(Scheduler):
    """Whoever gives back gets nothing any more."""

    def _on_returned(self, session: Session, returned: Returned, now: float) -> None:
        session.leaving = True
        super()._on_returned(session, returned, now)


class Forfeiting(Scheduler):
    """What it cannot hand on is lost, for the queue is not asked."""

    def _requeue(self, entries: dict[AttemptKey, Entry], now: float) -> None:
        super()._requeue({key: entry for key, entry in entries.items() if entry.assignment}, now)
        self._lose([key for key, entry in entries.items() if not entry.assignment], "", "Given back.")


class Casual(Scheduler):
    """What was given back may be given again before the worker has forgotten that."""

    def _cancel_at(self, session: Session, keys: Sequence[AttemptKey], now: float) -> None:
        super()._cancel_at(session, [key for key in keys if key not in session.attempts], now)


class Trusting(Scheduler):
    """Does not look at what a worker that says hello again holds."""

    def _on_hello(self, route: bytes, hello: Hello, now: float) -> None:
        before = self._floor.sessions.get(hello.worker_id)
        trusted = (*before.attempts, *hello.held) if before else hello.held
        super()._on_hello(route, replace(hello, held=tuple(dict.fromkeys(trusted))), now)


class Doubling(Scheduler):
    """What a worker lost is given to another under the same number, though it may run."""

    def _evict(self, worker_id: str, reason: str = "") -> None:
        session = self._floor.sessions.get(worker_id)
        super()._evict(worker_id)
        if session:
            self._queue([entry.assignment for entry in session.attempts.values() if entry.assignment], 0.0)


class Lazy(Scheduler):
    """Does not give what waits to a worker that gets room."""

    def _on_beat(self, session: Session, beat: Beat, now: float) -> None:
        session.window = beat.window
        self._changed(session)


class Restarting(Scheduler):
    """Numbers begin anew with each hello."""

    def _on_hello(self, route: bytes, hello: Hello, now: float) -> None:
        before = self._floor.sessions.get(hello.worker_id)
        if before:
            before.sequence = 0
        super()._on_hello(route, hello, now)


class Deaf(Scheduler):
    """Keeps sending to a worker that leaves."""

    def _on_message(self, session: Session, message: Any, now: float) -> None:
        if not isinstance(message, Leaving):
            super()._on_message(session, message, now)


class Leaking(Scheduler):
    """Remembers for ever who handed in what."""

    def _evict(self, worker_id: str, reason: str = "") -> None:
        session = self._floor.sessions[worker_id]
        holders = {key: self._holder[key] for key in session.handed_in}
        super()._evict(worker_id)
        self._holder |= holders


BROKEN = [
    Forgetful, Immortal, Generous, Summing, Credulous, Repeating, Unfenced, Clinging, Trusting, Doubling, Lazy,
    Restarting, Deaf, Leaking, Gullible, Bouncing, Offended, Forfeiting, Casual,
]  # fmt: skip


@pytest.mark.parametrize("broken", BROKEN)
def test_the_machine_catches(broken: type[Scheduler]) -> None:
    machine = type("Machine", (SchedulerMachine,), {"make": broken})
    with pytest.raises((AssertionError, KeyError)):
        run(machine, QUICK)


def test_a_worker_without_a_common_version_is_refused() -> None:
    scheduler = Scheduler("d", HeartbeatDetector(HeartbeatOptions()), 0)
    [action] = scheduler.hear(b"r", Hello("w", "node3", 1, 1, 1, oldest_version=9, newest_version=9), 0.0)
    assert isinstance(action, Say)
    assert "Upgrade mpcsfaas where the dispatcher runs" in action.messages[0].reason  # type: ignore[union-attr]
    assert not scheduler.sessions()


def test_what_a_dead_worker_had_is_reported_lost() -> None:
    scheduler = Scheduler("d", HeartbeatDetector(HeartbeatOptions()), 0)
    scheduler.hear(b"r", Hello("w", "node3", 1, 1, 1), 0.0)
    scheduler.dispatch([assignment(1)], 0.0)
    reports: list[AttemptResult] = []
    for tenth in range(60):
        reports += [
            one for action in scheduler.tick(tenth / 10) if isinstance(action, Report) for one in action.results
        ]
    [result] = reports
    assert result.failure is not None
    assert (result.key, result.failure.kind) == (AttemptKey("t1", 1), FailureKind.WORKER_LOST)
