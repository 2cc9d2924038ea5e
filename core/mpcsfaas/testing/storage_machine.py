"""A Hypothesis state machine that drives a storage and an oracle through the same history and compares them.

    class MyMachine(StorageMachine):
        def make(self, clock): return MyStorage(..., clock)
        def make_oracle(self, clock): return MemoryStorage("memory://", StorageOptions(), clock)

    TestMyMachine = MyMachine.TestCase

After every step both must give the same answers to every question, and what a storage must never do is checked without
the oracle: a terminal state changes, attempts are skipped or repeated, two dispatchers hold one attempt, a quota is
exceeded.
"""

import asyncio
from abc import abstractmethod
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from msgspec.structs import replace

from mpcsfaas.errors import QuotaExceeded
from mpcsfaas.interfaces import Storage
from mpcsfaas.interfaces.storage import Enqueued, EnqueueStatus
from mpcsfaas.model import (
    Attempt,
    AttemptKey,
    AttemptRecord,
    Budget,
    Failure,
    FailureKind,
    Function,
    Quota,
    State,
    Task,
    TaskOptions,
    TaskRecord,
    Transition,
    new_task_id,
    retry_id,
)
from mpcsfaas.testing.clock import FakeClock
from mpcsfaas.testing.storage_answers import everything
from mpcsfaas.testing.storage_cases.world import make_function

T = TypeVar("T")

LEASE = 10.0
ALL = 1_000
FUNCTIONS = [make_function(name) for name in ("first", "second")]
DISPATCHERS = st.sampled_from(["red", "blue"])
LABELS = st.sampled_from([frozenset[str](), frozenset({"a"}), frozenset({"a", "b"})])
OPTIONS = st.builds(
    TaskOptions,
    priority=st.integers(-1, 1),
    delay=st.sampled_from([0.0, 0.0, 5.0]),
    deadline=st.sampled_from([None, None, 8.0]),
    ttl=st.sampled_from([0.0, 20.0]),
    idempotency_key=st.sampled_from([None, None, "key"]),
    group=st.sampled_from([None, "group"]),
    labels=st.sampled_from([(), (), ("a",), ("b", "a")]),
)
QUOTAS = st.sampled_from(
    [None, None, Quota("one", max_queued=4, max_running=1), Quota("one", max_running=2), Quota("two", max_running=1)]
)
OUTCOMES = st.sampled_from([State.COMPLETED, State.FAILED, State.QUEUED])
BUDGETS = st.sampled_from(list(Budget))


class StorageMachine(RuleBasedStateMachine):
    """Subclass it, implement `make` and `make_oracle`, and give its `TestCase` to pytest."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = FakeClock()
        self.runner = asyncio.Runner()
        self.tasks: list[Task] = []
        self.reborn: set[str] = set()
        """Ids that were accepted again after they had been forgotten: to their children they had ended."""
        self.attempts: list[Attempt] = []
        self.claimed: set[AttemptKey] = set()
        self.records: dict[str, TaskRecord] = {}

    @abstractmethod
    def make(self, clock: Callable[[], float]) -> Storage:
        """The storage under test, empty and not opened."""

    @abstractmethod
    def make_oracle(self, clock: Callable[[], float]) -> Storage:
        """The storage that is right, empty and not opened."""

    @initialize()
    def open(self) -> None:
        """Begin with two functions."""
        self.storage, self.oracle = self.make(self.clock), self.make_oracle(self.clock)
        self.both(lambda storage: storage.open())
        for function in FUNCTIONS:
            self.put_function(function)

    def teardown(self) -> None:
        """Let go of both storages."""
        try:
            if hasattr(self, "storage"):
                self.both(lambda storage: storage.close())
        finally:
            self.runner.close()

    def both(self, act: Callable[[Storage], Awaitable[T]], order: Callable[[T], Any] = lambda answer: answer) -> T:
        """Do the same to the storage and to the oracle; their answers, put in `order`, must be equal."""
        answer, expected = self.run(act(self.storage)), self.run(act(self.oracle))
        assert order(answer) == order(expected), f"the storage says {answer}, the oracle {expected}"
        return answer

    def run(self, awaitable: Awaitable[T]) -> T:
        """Run to the end."""

        async def wait() -> T:
            return await awaitable

        return self.runner.run(wait())

    @rule(seconds=st.sampled_from([0.25, 5.0, LEASE, 25.0]))
    def pass_time(self, seconds: float) -> None:
        """Let leases lapse, delays end, deadlines pass and results expire."""
        self.clock.advance(seconds)

    # Acceptance

    @precondition(lambda self: self.tasks)
    @rule(
        data=st.data(),
        options=st.lists(OPTIONS, min_size=1, max_size=3),
        is_chain=st.booleans(),
        function=st.sampled_from(FUNCTIONS),
        quota=QUOTAS,
    )
    def enqueue_after(
        self, data: st.DataObject, options: list[TaskOptions], is_chain: bool, function: Function, quota: Quota | None
    ) -> None:
        """Offer children of tasks that were offered before; as a chain, each is the next one's parent, too."""
        tasks: list[Task] = []
        for option in options:
            parents = data.draw(st.lists(st.sampled_from([task.id for task in self.tasks]), min_size=1, max_size=2))
            before = [tasks[-1].id] if is_chain and tasks else []
            option = replace(option, after=(*parents, *before))
            tasks.append(Task(new_task_id(), function.id, b"arguments", "dill", self.clock(), option, quota=quota))
        self._enqueue(tasks)

    @rule(options=st.lists(OPTIONS, min_size=1, max_size=4), function=st.sampled_from(FUNCTIONS), quota=QUOTAS)
    def enqueue(self, options: list[TaskOptions], function: Function, quota: Quota | None) -> None:
        """Offer new tasks."""
        self._enqueue(
            [
                Task(new_task_id(), function.id, b"arguments", "dill", self.clock(), option, quota=quota)
                for option in options
            ]
        )

    @precondition(lambda self: self.tasks)
    @rule(data=st.data())
    def retry(self, data: st.DataObject) -> None:
        """Do a task again that failed, maybe for the second time, from what is kept of it."""
        task = data.draw(st.sampled_from(self.tasks))
        (record,) = self.both(lambda storage: storage.get_tasks([task.id]))
        (payload,) = self.both(lambda storage: storage.get_payloads([task.id]))
        if record and record.state is State.FAILED and not record.expired:
            assert payload == task.payload, "the payload of a failed task is gone"
            options = replace(task.options, idempotency_key=None)
            self._enqueue([replace(task, id=retry_id(task.id), options=options, retry_of=task.id)])

    @precondition(lambda self: self.tasks)
    @rule(data=st.data())
    def enqueue_again(self, data: st.DataObject) -> None:
        """Offer a task that was offered before, twice."""
        task = data.draw(st.sampled_from(self.tasks))
        self._enqueue([task, task])

    def _enqueue(self, tasks: list[Task]) -> None:
        answers = self.both(lambda storage: _offer(storage, tasks))
        if isinstance(answers, str):
            return
        assert len(answers) == len(tasks)
        accepted = {answer.task_id for answer in answers if answer.status is EnqueueStatus.ACCEPTED}
        self.reborn |= accepted & {task.id for task in self.tasks}
        self.tasks += [task for task in tasks if task not in self.tasks]
        if accepted:
            self._check_quotas(tasks, State.QUEUED)

    def _check_quotas(self, tasks: list[Task], state: State) -> None:
        """What was just done with these tasks took no owner over its quota of tasks in this state."""
        records = self.run(self.storage.get_tasks([task.id for task in self.tasks]))
        states = {record.id: record.state for record in records if record}
        numbers = Counter(task.quota.owner for task in self.tasks if task.quota and states.get(task.id) is state)
        for owner in {task.quota.owner for task in tasks if task.quota}:
            quotas = [task.quota for task in tasks if task.quota and task.quota.owner == owner]
            limits = [quota.max_queued if state is State.QUEUED else quota.max_running for quota in quotas]
            highest = max((limit for limit in limits if limit is not None), default=0)  # Each task brings its own.
            assert None in limits or numbers[owner] <= highest, f"{numbers} tasks are {state} in spite of {quotas}"

    @rule(function=st.sampled_from(FUNCTIONS), put_back=st.sampled_from([True, True, False]))
    def delete_function(self, function: Function, put_back: bool) -> None:
        """Refuse its tasks from now on, or for a moment."""
        self.both(lambda storage: storage.delete_function(function.id))
        if put_back:
            self.put_function(function)

    @rule(function=st.sampled_from(FUNCTIONS))
    def put_function(self, function: Function) -> None:
        """Accept its tasks from now on."""
        self.both(lambda storage: storage.put_function(function))

    # Access

    @rule(key=st.sampled_from(["first key", "second key"]), record=st.binary(max_size=3))
    def put_key(self, key: str, record: bytes) -> None:
        """Keep a key, or change what is known of it."""
        self.both(lambda storage: storage.put_key(key, record))

    @rule(key=st.sampled_from(["first key", "second key"]))
    def delete_key(self, key: str) -> None:
        """Forget a key."""
        self.both(lambda storage: storage.delete_key(key))

    # Claims

    @rule(dispatcher=DISPATCHERS, limit=st.integers(0, 5), labels=st.lists(LABELS, max_size=2))
    def claim(self, dispatcher: str, limit: int, labels: list[frozenset[str]]) -> None:
        """Claim by labels."""
        self._claimed(self.both(lambda storage: storage.claim(dispatcher, limit, LEASE, labels)))

    @rule(dispatcher=DISPATCHERS)
    def claim_plain(self, dispatcher: str) -> None:
        """Claim what has no labels."""
        self._claimed(self.both(lambda storage: storage.claim(dispatcher, 3, LEASE)))

    @rule(dispatcher=DISPATCHERS)
    def claim_twice(self, dispatcher: str) -> None:
        """Claim, give back, and claim again; what is then told of the old attempt must not count."""
        labels = [frozenset({"a", "b"})]
        claimed = self.both(lambda storage: storage.claim(dispatcher, 1, LEASE, labels))
        self._started(claimed)
        if claimed:
            transition = self._transition(claimed[0], State.QUEUED, Budget.NONE)
            self.both(lambda storage: storage.finish([transition]))
            self.no_task_moves_as_it_must_not()
            self._started(self.both(lambda storage: storage.claim(dispatcher, 1, LEASE, labels)))
            late = self._transition(claimed[0], State.COMPLETED, Budget.NONE)
            assert self.both(lambda storage: storage.finish([late])) == [False], (
                "an old attempt was taken for the present"
            )

    @rule(dispatcher=DISPATCHERS, default=st.sampled_from([None, 6.0]))
    def claim_overdue(self, dispatcher: str, default: float | None) -> None:
        """Claim what is past its deadline."""
        self._started(self.both(lambda storage: storage.claim_overdue(dispatcher, ALL, LEASE, default), order=_by_task))

    @rule(dispatcher=DISPATCHERS)
    def claim_lapsed(self, dispatcher: str) -> None:
        """Take over what nobody renewed."""
        taken = self.both(lambda storage: storage.claim_lapsed(dispatcher, ALL, LEASE), order=_by_task)
        assert {attempt.key for attempt in taken} <= self.claimed

    @rule(dispatcher=DISPATCHERS)
    def adopt(self, dispatcher: str) -> None:
        """Take over everything that was ever claimed and still runs."""
        keys = [attempt.key for attempt in self.attempts]
        adopted = self.both(lambda storage: storage.adopt(dispatcher, keys, LEASE), order=_by_task)
        assert {attempt.key for attempt in adopted} <= self.claimed

    def _claimed(self, attempts: list[Attempt]) -> None:
        self._started(attempts)
        first = [attempt.task.options for attempt in attempts if attempt.number == 1]
        parents = list({parent for options in first for parent in options.after} - self.reborn)
        assert all(record is None or record.state.is_terminal for record in self._read(parents)), "a parent goes on"
        self._check_quotas([attempt.task for attempt in attempts], State.RUNNING)

    def _read(self, task_ids: list[str]) -> list[TaskRecord | None]:
        return self.run(self.storage.get_tasks(task_ids))

    def _started(self, attempts: list[Attempt]) -> None:
        keys = [attempt.key for attempt in attempts]
        assert len(set(keys)) == len(keys), "one claim gave an attempt twice"
        assert not self.claimed.intersection(keys), "two claims gave the same attempt"
        self.claimed.update(keys)
        self.attempts += attempts

    @rule(dispatcher=DISPATCHERS)
    def renew(self, dispatcher: str) -> None:
        """Renew everything that was ever claimed."""
        self._renew(dispatcher)

    def _renew(self, dispatcher: str) -> set[AttemptKey]:
        keys = [attempt.key for attempt in self.attempts]
        lost = self.both(lambda storage: storage.renew(dispatcher, keys, LEASE), order=sorted)
        return set(keys).difference(lost)

    @rule()
    def renew_by_all(self) -> None:
        """No attempt has two holders."""
        assert not self._renew("red") & self._renew("blue"), "two dispatchers hold the same attempt"

    # Ends

    @precondition(lambda self: self.attempts)
    @rule(data=st.data(), outcomes=st.lists(st.tuples(OUTCOMES, BUDGETS), min_size=1, max_size=3))
    def finish(self, data: st.DataObject, outcomes: list[tuple[State, Budget]]) -> None:
        """Report on attempts, old or new, the same one twice or not."""
        drawn = [(data.draw(st.sampled_from(self.attempts)), *outcome) for outcome in outcomes]
        transitions = [self._transition(attempt, to, budget) for attempt, to, budget in drawn]
        self.both(lambda storage: storage.finish(transitions))

    @precondition(lambda self: self.attempts)
    @rule(to=OUTCOMES)
    def finish_latest(self, to: State) -> None:
        """Report on the attempt claimed last."""
        transition = self._transition(self.attempts[-1], to, Budget.RETRY)
        self.both(lambda storage: storage.finish([transition]))

    def _transition(self, attempt: Attempt, to: State, budget: Budget) -> Transition:
        failure = Failure(FailureKind.CRASHED, "signal 9") if to is State.FAILED else None
        record = AttemptRecord(attempt.number, "worker", attempt.claimed_at, failure=failure)
        value = str(attempt.key).encode() if to is State.COMPLETED else b""
        ready_at = self.clock() + 5 if budget is Budget.RETRY else 0.0
        return Transition(attempt.key, to, record, value, failure, "out", "err", ready_at, budget)

    @precondition(lambda self: self.tasks)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        """Cancel some tasks, one of them perhaps twice, and one that never was."""
        drawn = data.draw(st.lists(st.sampled_from(self.tasks), min_size=1, max_size=3))
        self.both(lambda storage: storage.cancel([*(task.id for task in drawn), "unknown"]))

    @rule(dispatcher=DISPATCHERS)
    def take_cancellations(self, dispatcher: str) -> None:
        """Each is told once."""
        self.both(lambda storage: storage.take_cancellations(dispatcher), order=sorted)

    @rule()
    def expire(self) -> None:
        """Drop old results, and forget older ones."""
        self.both(lambda storage: storage.expire(ALL))

    # What must hold after every step

    @invariant()
    def every_answer_is_the_oracles(self) -> None:
        """All that can be read."""
        if not hasattr(self, "storage"):
            return
        ids = [task.id for task in self.tasks]
        names = [function.id for function in FUNCTIONS]
        answer, expected = self.run(everything(self.storage, ids, names)), self.run(everything(self.oracle, ids, names))
        for question, told in answer.items():
            assert told == expected[question], f"{question}: the storage says {told}, the oracle {expected[question]}"

    @invariant()
    def no_task_moves_as_it_must_not(self) -> None:
        """Terminal states stay, attempts grow one by one, nothing accepted is lost before it expires."""
        if not hasattr(self, "storage"):
            return
        ids = [task.id for task in self.tasks]
        present = {record.id: record for record in self.run(self.storage.get_tasks(ids)) if record}
        for task_id, before in self.records.items():
            after = present.get(task_id)
            if after is None:
                assert before.expired, f"task {task_id} is lost"
                self.claimed = {key for key in self.claimed if key.task_id != task_id}
            else:
                _check_step(before, after)
        self.records = present


async def _offer(storage: Storage, tasks: list[Task]) -> list[Enqueued] | str:
    try:
        return await storage.enqueue(tasks)
    except QuotaExceeded as error:
        return str(error)


def _check_step(before: TaskRecord, after: TaskRecord) -> None:
    assert not before.state.is_terminal or after.state is before.state, f"{before.state} became {after.state}"
    assert after.attempt - before.attempt in (0, 1), f"attempt {before.attempt} became {after.attempt}"
    assert after.history[: len(before.history)] == before.history or after.expired, "history was rewritten"


def _by_task(attempts: list[Attempt]) -> list[Attempt]:
    return sorted(attempts, key=lambda attempt: attempt.task.id)
