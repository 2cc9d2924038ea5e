"""The broker and real agents' states, with a network between them that loses and delays, checked after every step."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import ClassVar

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, Phase, settings
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
from mpcsfaas.model import Attempt, AttemptKey, AttemptResult, Function, Task
from mpcsfaas.scheduling import Adopt, GiveBack, Report, Scheduler
from mpcsfaas.scheduling.session import Entry
from mpcsfaas.wire import Fetch, FromDispatcher, FromWorker, Hello, Jobs, Returned, Settled, Welcome
from mpcsfaas.worker.agent_state import AgentState, Stop, Submit
from mpcsfaas_heartbeat.heartbeat import HeartbeatDetector, HeartbeatOptions
from mpcsfaas_pull.broker import Action, Broker
from mpcsfaas_pull.desk import Desk, Reply, Source

FUNCTION = Function("f", "f", b"body", "json", 0.0)
SLOTS, WINDOW, WAIT = 2, 3, 2.0


def assignment(number: int) -> Assignment:
    return Assignment(Attempt(Task(f"t{number}", "f", b"payload", "json", 0.0), 1, 0.0), FUNCTION, None)


@dataclass(eq=False)
class Worker:
    """A worker's state, with two sockets, each of which has one question out at most."""

    name: str
    state: AgentState
    running: set[AttemptKey] = field(default_factory=set)
    """In its pool, begun or not."""
    begun: set[AttemptKey] = field(default_factory=set)
    stuck: bool = False
    """Whether it gave back what waits, and wants nothing until something ends."""
    fetch: Source | None = None
    report: Source | None = None
    said: Sequence[FromWorker] = ()
    """The report that is out."""

    @property
    def window(self) -> int:
        return len(self.running) if self.stuck and self.running else WINDOW


class BrokerMachine(RuleBasedStateMachine):
    """`live` is what was taken over and is neither reported nor cancelled; `unsettled` what was reported."""

    make: ClassVar[Callable[[Scheduler], Broker]] = Broker

    def __init__(self) -> None:
        super().__init__()
        self.now = 100.0
        self.numbers = count(1)
        self.workers: list[Worker] = []
        self.requests: dict[Source, Sequence[FromWorker]] = {}
        """On their way."""
        self.replies: dict[Source, Sequence[FromDispatcher]] = {}
        self.asked: dict[Source, FromWorker] = {}
        """The first message of each request that arrived and is not answered."""
        self.live: set[AttemptKey] = set()
        self.unsettled: set[AttemptKey] = set()
        self.orphans: set[AttemptKey] = set()
        """What a dispatcher left behind."""
        self.begun: set[AttemptKey] = set()
        self.questions: dict[str, Sequence[AttemptKey]] = {}
        self.latest: dict[str, int] = {}
        """The last order that was said to a worker."""
        self.start_dispatcher()

    @initialize(number=st.integers(0, 2 * WINDOW))
    def two_workers(self, number: int) -> None:
        """Two workers are known, and have something to do."""
        for _ in range(2):
            self.join()
        for worker in 2 * self.workers:
            self.talk(worker)
        self.take_over(number)
        for worker in self.workers:
            self.talk(worker)

    def start_dispatcher(self) -> None:
        scheduler = Scheduler("d", HeartbeatDetector(HeartbeatOptions()), next(self.numbers) * 1_000_000)
        self.broker = type(self).make(scheduler)

    # What is done with actions

    def do(self, actions: Iterable[Action]) -> None:
        for action in actions:
            match action:
                case Reply(source, _, messages):
                    self.check_reply(self.asked.pop(source), messages)
                    self.replies[source] = messages
                case Report(results):
                    for result in results:
                        self.check_report(result)
                case GiveBack(keys):
                    assert not self.begun.intersection(keys), "goes back to the queue, but was begun"
                    self.live -= set(keys)
                case Adopt(worker_id, keys):
                    assert worker_id not in self.questions
                    self.questions[worker_id] = keys

    def check_reply(self, request: FromWorker, messages: Sequence[FromDispatcher]) -> None:
        assert messages, "an answer that says nothing"
        worker, fresh = request.worker_id, 0
        for message in messages:
            if isinstance(message, Welcome):
                self.latest[worker] = message.sequence
            elif isinstance(message, Jobs) and message.sequence > self.latest.get(worker, 0):
                assert isinstance(request, Fetch), "attempts that were not asked for"
                self.latest[worker] = message.sequence
                fresh += len(message.jobs)
                assert {job.key for job in message.jobs} <= self.live, "ordered what is over"
        assert fresh <= (request.want if isinstance(request, Fetch) else 0), "more than the worker wanted"

    def check_report(self, result: AttemptResult) -> None:
        if result.key in self.unsettled and result.failure is None:
            return
        assert result.key in self.live, f"{result.key} is reported, but was over or never ours"
        self.live.discard(result.key)
        self.unsettled.add(result.key)

    # The network

    def send(self, messages: Sequence[FromWorker]) -> Source:
        source = (messages[0].worker_id.encode(), str(next(self.numbers)).encode(), b"")
        self.requests[source] = messages
        return source

    def arrive(self, source: Source) -> None:
        messages = self.requests.pop(source)
        self.asked[source] = messages[0]
        before = self.entries(messages[0].worker_id)
        self.do(self.broker.request(source, messages, self.now))
        after = self.entries(messages[0].worker_id)
        for message in messages:
            if isinstance(message, Returned):
                assert all(after.get(key) in (None, before.get(key)) for key in message.keys), "came right back"

    def entries(self, worker_id: str) -> dict[AttemptKey, Entry]:
        """What the broker takes a worker to have."""
        sessions = [one for one in self.broker.sessions() if one.hello.worker_id == worker_id]
        return dict(sessions[0].attempts) if sessions else {}

    def answer(self, source: Source) -> None:
        messages = self.replies.pop(source)
        for worker in self.workers:
            if source in (worker.fetch, worker.report):
                worker.fetch = None if worker.fetch == source else worker.fetch
                worker.report = None if worker.report == source else worker.report
                for message in messages:
                    self.obey(worker, message)

    def obey(self, worker: Worker, message: FromDispatcher) -> None:
        for action in worker.state.receive(message):
            match action:
                case Submit(assignments):
                    keys = {one.attempt.key for one in assignments}
                    assert not keys & worker.running, "taken twice"
                    worker.running |= keys
                case Stop(keys):
                    worker.running -= set(keys)
        assert len(worker.running) <= WINDOW, "more than fits"

    @precondition(lambda self: self.requests)
    @rule(data=st.data(), lost=st.sampled_from([False, False, True]))
    def a_request_moves(self, data: st.DataObject, lost: bool) -> None:
        source = data.draw(st.sampled_from(list(self.requests)))
        if lost:
            del self.requests[source]
        else:
            self.arrive(source)

    @precondition(lambda self: self.replies)
    @rule(data=st.data(), lost=st.sampled_from([False, False, True]))
    def a_reply_moves(self, data: st.DataObject, lost: bool) -> None:
        source = data.draw(st.sampled_from(list(self.replies)))
        if lost:
            del self.replies[source]
        else:
            self.answer(source)

    # What workers do

    @precondition(lambda self: len(self.workers) < 3)
    @rule()
    def join(self) -> None:
        name = f"w{next(self.numbers)}"
        self.workers.append(Worker(name, AgentState(Hello(name, "host", 1, SLOTS, WINDOW))))

    @precondition(lambda self: self.workers)
    @rule(data=st.data())
    def work(self, data: st.DataObject) -> None:
        self.use_sockets(data.draw(st.sampled_from(self.workers)))

    @precondition(lambda self: self.workers)
    @rule(data=st.data())
    def converse(self, data: st.DataObject) -> None:
        """All goes well for once."""
        self.talk(data.draw(st.sampled_from(self.workers)))

    def talk(self, worker: Worker) -> None:
        self.use_sockets(worker)
        for source in list(self.requests):
            self.arrive(source)
        for source in list(self.replies):
            self.answer(source)

    def use_sockets(self, worker: Worker) -> None:
        if worker.state.gone and worker.report is None:
            self.workers = [one for one in self.workers if one is not worker]
            return
        worker.state.stand(min(SLOTS, len(worker.running)), worker.window)
        if worker.fetch is None and (fetch := worker.state.fetch(WAIT)):
            worker.fetch = self.send([fetch])
        if worker.report is None and (said := worker.state.outgoing(self.now)):
            worker.said, worker.report = said, self.send(said)

    @precondition(lambda self: self.workers)
    @rule(data=st.data())
    def an_answer_does_not_come(self, data: st.DataObject) -> None:
        self.make_new_sockets(data.draw(st.sampled_from(self.workers)))

    def make_new_sockets(self, worker: Worker) -> None:
        for source in filter(None, (worker.fetch, worker.report)):
            self.requests.pop(source, None)
        worker.fetch = None
        if worker.report:
            worker.report = self.send(worker.said)

    @precondition(lambda self: any(worker.running for worker in self.workers))
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        worker = data.draw(st.sampled_from([worker for worker in self.workers if worker.running]))
        self.end(worker, data.draw(st.sampled_from(sorted(worker.running))))

    @precondition(lambda self: any(worker.running - worker.begun for worker in self.workers))
    @rule(data=st.data())
    def begin_one(self, data: st.DataObject) -> None:
        worker = data.draw(st.sampled_from([worker for worker in self.workers if worker.running - worker.begun]))
        self.begin(worker, data.draw(st.sampled_from(sorted(worker.running - worker.begun))))

    @precondition(lambda self: any(len(worker.running) > 1 for worker in self.workers))
    @rule(data=st.data())
    def give_back(self, data: st.DataObject) -> None:
        """All but the one that was begun; perhaps while a fetch is parked."""
        worker = data.draw(st.sampled_from([worker for worker in self.workers if len(worker.running) > 1]))
        for _ in range(data.draw(st.integers(0, 2))):
            self.talk(worker)
        if worker.running and not worker.running & worker.begun:
            self.begin(worker, min(worker.running))
        keys = worker.running - worker.begun
        worker.running -= keys
        worker.state.give_back(sorted(keys))
        worker.stuck = True
        if data.draw(st.booleans()):
            self.talk(worker)

    def begin(self, worker: Worker, key: AttemptKey) -> None:
        assert key not in self.begun, "begun twice"
        self.begun.add(key)
        worker.begun.add(key)

    def end(self, worker: Worker, key: AttemptKey) -> None:
        if key not in worker.begun:
            self.begin(worker, key)
        worker.running.discard(key)
        worker.stuck = False
        worker.state.finish([AttemptResult(*key, value=b"done", worker=worker.name)])

    @precondition(lambda self: self.workers)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        data.draw(st.sampled_from(self.workers)).state.leave()

    @precondition(lambda self: self.workers)
    @rule(data=st.data())
    def die(self, data: st.DataObject) -> None:
        self.workers.remove(data.draw(st.sampled_from(self.workers)))

    # What the dispatcher does

    @precondition(lambda self: self.broker.capacity())
    @rule(data=st.data())
    def dispatch(self, data: st.DataObject) -> None:
        self.take_over(data.draw(st.integers(1, self.broker.capacity())))

    def take_over(self, number: int) -> None:
        taken = [assignment(next(self.numbers)) for _ in range(number)]
        self.live |= {one.attempt.key for one in taken}
        self.do(self.broker.dispatch(taken, self.now))

    @precondition(lambda self: self.live)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        keys = data.draw(st.lists(st.sampled_from(sorted(self.live)), min_size=1, unique=True, max_size=4))
        self.live -= set(keys)
        self.do(self.broker.cancel(keys, self.now))

    @rule()
    def settle(self) -> None:
        keys, self.unsettled = sorted(self.unsettled), set()
        self.do(self.broker.settled(keys, self.now))

    @precondition(lambda self: self.questions)
    @rule()
    def adopt(self) -> None:
        worker_id, keys = self.questions.popitem()
        ours = self.orphans & set(keys)
        self.orphans -= ours
        self.live |= ours
        self.do(self.broker.adopted(worker_id, ours, self.now))

    @rule()
    def restart(self) -> None:
        """What waits for an answer will not get one."""
        self.orphans |= self.live | self.unsettled
        self.live, self.unsettled = set(), set()
        self.asked.clear()
        self.questions.clear()
        self.start_dispatcher()

    @rule(step=st.sampled_from([0.25, 0.5, 1.0, 3.0]))
    def time_passes(self, step: float) -> None:
        self.now += step
        self.do(self.broker.tick(self.now))
        for desk in self.broker._desks.values():
            assert desk.parked is None or desk.parked.until > self.now, "parked for too long"

    # What always holds

    @invariant()
    def at_most_one_fetch_and_one_greeting_of_a_worker_wait(self) -> None:
        """Of those that may still be answered, which does not count what another request took the place of."""
        desks = self.broker._desks.values()
        waiting = [source for desk in desks for source in (desk.greeting, desk.parked and desk.parked.source) if source]
        assert set(waiting) <= self.asked.keys(), "may be answered twice"

    @invariant()
    def room_is_what_parked_fetches_want(self) -> None:
        parked = {name for name, desk in self.broker._desks.items() if desk.parked}
        roomy = {session.hello.worker_id for session in self.broker.sessions() if session.credit}
        assert roomy <= parked

    @invariant()
    def whoever_is_known_has_a_desk(self) -> None:
        assert {session.hello.worker_id for session in self.broker.sessions()} <= self.broker._desks.keys()

    def teardown(self) -> None:
        """Once the network is good, everything ends, and nobody has anything left to hand in."""
        for _ in range(80):
            self.calm_down()
            if not self.unrest():
                break
        assert self.unrest() == []

    def unrest(self) -> list[object]:
        """What is not as it should be in the end."""
        strangers = self.broker._desks.keys() ^ {worker.name for worker in self.workers}
        held = [worker.state.held for worker in self.workers if worker.state.held]
        return [*self.live, *self.unsettled, *strangers, *held]

    def calm_down(self) -> None:
        for worker in list(self.workers):
            if self.now % 4 < 0.5:
                self.make_new_sockets(worker)
            self.use_sockets(worker)
            for key in list(worker.running):
                self.end(worker, key)
        for source in list(self.requests):
            self.arrive(source)
        while self.questions:
            self.adopt()
        self.settle()
        for source in list(self.replies):
            self.answer(source)
        self.time_passes(0.25)


def run(machine: type[BrokerMachine], chosen: settings) -> None:
    run_state_machine_as_test(machine, settings=chosen)


def test_the_broker_keeps_its_promises() -> None:
    run(BrokerMachine, settings(max_examples=80, stateful_step_count=60, deadline=None))


# Brokers that break one promise each


class Generous(Broker):
    """What a fetch wanted is room for ever."""

    def _answer_fetch(self, worker_id: str, desk: Desk, now: float) -> list[Action]:
        parked, desk.parked = desk.parked, None
        return [desk.reply(parked.source, Jobs())] if parked else []


class Pushy(Broker):
    """A worker's window is room, whether it asks or not."""

    def _hear(self, message: FromWorker, now: float) -> list[Action]:
        return self._sort(self._scheduler.hear(message.worker_id.encode(), message, now), now)


class Repetitive(Broker):
    """A fetch that was answered stays parked."""

    def _answer_fetch(self, worker_id: str, desk: Desk, now: float) -> list[Action]:
        parked = desk.parked
        actions = super()._answer_fetch(worker_id, desk, now)
        desk.parked = parked
        return actions


class Greedy(Broker):
    """Wants twice what workers want."""

    def _fetch(self, source: Source, fetch: Fetch, desk: Desk, now: float) -> list[Action]:
        return super()._fetch(source, replace(fetch, want=2 * fetch.want), desk, now)


class Hasty(Broker):
    """A greeting is answered before it is known what is ours."""

    def request(self, source: Source, messages: Sequence[FromWorker], now: float) -> list[Action]:
        actions = super().request(source, messages, now)
        if any(isinstance(action, Adopt) for action in actions):
            actions.append(self._desks[messages[0].worker_id].reply(source, Settled()))
        return actions


class Silent(Broker):
    """Nothing is said in answer to a report; what was to be said is lost."""

    def _report(self, source: Source, messages: Sequence[FromWorker], desk: Desk, now: float) -> list[Action]:
        actions = super()._report(source, messages, desk, now)
        return [*actions[:-1], Reply(source, desk.version, [Settled()])]


class Bouncing(Broker):
    """A fetch from before it gave back brings a worker the same again."""

    def _report(self, source: Source, messages: Sequence[FromWorker], desk: Desk, now: float) -> list[Action]:
        actions: list[Action] = []
        for message in messages:
            actions += self._hear(message, now)
        return [*actions, *self._offer(messages[0].worker_id, desk, now), desk.reply(source, Settled())]


class Hoarder(Broker):
    """Workers that are gone keep their desks."""

    def _tidy(self, worker_id: str) -> None:
        pass


BROKEN = [Generous, Pushy, Repetitive, Greedy, Hasty, Silent, Bouncing, Hoarder]


@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_broker_is_caught(broken: type[Broker]) -> None:
    machine = type("Machine", (BrokerMachine,), {"make": broken})
    chosen = settings(
        max_examples=2000, stateful_step_count=60, deadline=None, database=None, derandomize=True,
        phases=[Phase.generate], suppress_health_check=list(HealthCheck), report_multiple_bugs=False,
    )  # fmt: skip
    with pytest.raises((AssertionError, KeyError)):
        run(machine, chosen)
