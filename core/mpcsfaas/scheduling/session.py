"""One registered worker, as the dispatcher sees it: what it holds, and the orders that it may not have heard. Pure."""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

from mpcsfaas.interfaces import Assignment
from mpcsfaas.model import AttemptKey, Function, WorkerInfo
from mpcsfaas.wire import Cancel, FromDispatcher, Functions, Hello, Job, Jobs, batches

KNOWN_FUNCTIONS = 4096
"""Functions that a worker is remembered to have been sent; it asks for what it lacks."""


@dataclass(slots=True)
class Entry:
    """An attempt at a worker."""

    assignment: Assignment | None
    """None if it was adopted."""
    sequence: int
    """Of the order that brought it."""


class Order(NamedTuple):
    """Something said that the worker has not confirmed."""

    sequence: int
    keys: Sequence[AttemptKey]
    cancels: bool
    said_at: float


class Session:
    """From a worker's `hello` until it says another, leaves, or is lost."""

    def __init__(self, hello: Hello, route: bytes, version: int, sequence: int, now: float) -> None:
        self.hello = hello
        self.labels = frozenset(hello.labels)
        self.route = route
        self.version = version
        self.window = hello.window
        self.busy = 0
        self.heard_at = now
        self.leaving = False
        self.used = 0
        """Turn in which it was given something last."""
        self.attempts: dict[AttemptKey, Entry] = {}
        """What waits or runs there, or is on its way."""
        self.handed_in: set[AttemptKey] = set()
        """What ended there, and is not settled."""
        self.sequence = sequence
        self._received = sequence
        self._orders: deque[Order] = deque()
        self._known: set[str] = set()

    @property
    def credit(self) -> int:
        """How many more attempts it may be given."""
        return 0 if self.leaving else max(0, self.window - len(self.attempts))

    @property
    def free(self) -> int:
        """Processes without an attempt; negative when attempts wait for one."""
        return self.hello.slots - len(self.attempts)

    @property
    def is_empty(self) -> bool:
        """Whether the worker has nothing of ours, and nothing to hear."""
        return not self.attempts and not self.handed_in

    def info(self, offset: float) -> WorkerInfo:
        """For people. `offset` is what the wall clock is ahead of the monotonic one, in seconds."""
        return WorkerInfo(
            id=self.hello.worker_id,
            host=self.hello.host,
            pid=self.hello.pid,
            slots=self.hello.slots,
            busy=self.busy,
            labels=self.hello.labels,
            python_version=self.hello.python_version,
            last_seen=self.heard_at + offset,
        )

    def has_received(self, entry: Entry) -> bool:
        """Whether the worker has said that it has this attempt."""
        return entry.sequence <= self._received

    def may_return(self, key: AttemptKey, received: int) -> bool:
        """Whether an attempt can be given back by word of a worker that had heard the orders up to `received`.

        Else the word is an old one: it was given back, ordered again, and runs now or has ended. 0 is any order.
        """
        entry = self.attempts.get(key)
        is_newer = entry is not None and received and entry.sequence > received
        return not is_newer and key not in self.handed_in

    # Orders

    def give(self, assignments: Sequence[Assignment], now: float) -> list[FromDispatcher]:
        """Order these to be run: what to say, functions first that the worker may not hold."""
        said = self._bring_functions(assignments)
        remaining = iter(assignments)
        for jobs in batches(map(_job, assignments)):
            self.sequence += 1
            self._orders.append(Order(self.sequence, [job.key for job in jobs], False, now))
            said.append(Jobs(self.sequence, jobs))
            for assignment in islice(remaining, len(jobs)):
                self.attempts[assignment.attempt.key] = Entry(assignment, self.sequence)
        return said

    def reserve(self, assignment: Assignment) -> None:
        """Count an attempt that `give` is about to be called with."""
        self.attempts[assignment.attempt.key] = Entry(assignment, self.sequence + 1)

    def cancel(self, keys: Sequence[AttemptKey], now: float) -> list[FromDispatcher]:
        """Order these to be stopped: what to say."""
        for key in keys:
            self.attempts.pop(key, None)
        self.sequence += 1
        self._orders.append(Order(self.sequence, keys, True, now))
        return [Cancel(self.sequence, tuple(keys))]

    def receive(self, sequence: int) -> None:
        """The worker has heard every order up to this one; a number that is not of this session is ignored."""
        if sequence <= self.sequence:
            self._received = max(self._received, sequence)
            while self._orders and self._orders[0].sequence <= sequence:
                self._orders.popleft()

    def say_again(self, now: float, patience: float) -> list[FromDispatcher]:
        """The orders that were not heard, if the first was said longer than `patience` ago."""
        if not self._orders or now - self._orders[0].said_at <= patience:
            return []
        said = [self._repeat(order) for order in self._orders]
        self._orders = deque(order._replace(said_at=now) for order in self._orders)
        return said

    def functions(self, function_ids: Iterable[str]) -> tuple[list[FromDispatcher], list[AttemptKey]]:
        """The bodies that were asked for, and the attempts that wait for those which nobody here has."""
        wanted = set(function_ids)
        found: dict[str, Function] = {}
        for entry in self.attempts.values():
            if entry.assignment and entry.assignment.function.id in wanted:
                found[entry.assignment.function.id] = entry.assignment.function
        hopeless = [key for key, entry in self.attempts.items() if entry.assignment is None]
        return _in_frames(found.values()), hopeless if wanted - found.keys() else []

    def _bring_functions(self, assignments: Sequence[Assignment]) -> list[FromDispatcher]:
        functions = {assignment.function.id: assignment.function for assignment in assignments}
        missing = [function for function_id, function in functions.items() if function_id not in self._known]
        if len(self._known) + len(missing) > KNOWN_FUNCTIONS:
            self._known.clear()
        self._known.update(function.id for function in missing)
        return _in_frames(missing)

    def _repeat(self, order: Order) -> FromDispatcher:
        if order.cancels:
            return Cancel(order.sequence, tuple(order.keys))
        return Jobs(order.sequence, tuple(_job(assignment) for assignment in self._assignments(order)))

    def _assignments(self, order: Order) -> list[Assignment]:
        """What of an order is still wanted."""
        entries = [self.attempts.get(key) for key in order.keys]
        return [
            entry.assignment for entry in entries if entry and entry.assignment and entry.sequence == order.sequence
        ]


def _in_frames(functions: Iterable[Function]) -> list[FromDispatcher]:
    return [Functions(batch) for batch in batches(functions)]


def _job(assignment: Assignment) -> Job:
    task = assignment.attempt.task
    return Job(
        task.id,
        assignment.attempt.number,
        task.function_id,
        task.payload,
        task.serializer,
        assignment.timeout,
        task.options.traceparent,
        assignment.parents,
    )
