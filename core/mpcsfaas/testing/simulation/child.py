"""What takes the place of a child process of a worker."""

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from mpcsfaas.interfaces import Assignment
from mpcsfaas.model import AttemptKey, AttemptResult, Failure, FailureKind
from mpcsfaas.testing.simulation.behaviour import Behaviour, End, Runs
from mpcsfaas.testing.simulation.process import Process

READING_SECONDS = 0.001
"""Until the pool reads what a child has said, on average."""


class Sent(NamedTuple):
    """An attempt on its way into a child."""

    assignment: Assignment
    with_function: bool


class SimulatedChild:
    """Works off what it is sent, in order. `said` is called when there is something to read, `died` once."""

    def __init__(
        self, process: Process, runs: Runs, worker_id: str, said: Callable[[], None], died: Callable[[], None]
    ) -> None:
        self._process = process
        self._runs = runs
        self._worker_id = worker_id
        self._said = said
        self._died = died
        self._inbox: deque[Sent] = deque()
        self._busy = False
        self._functions: set[str] = set()
        self._outbox: list[AttemptResult | AttemptKey] = []
        self.alive = True
        """Whether nothing has killed it yet."""

    def put(self, sent: Sent) -> None:
        """Send it an attempt."""
        self._inbox.append(sent)
        self._take()

    def recall(self) -> list[AttemptKey]:
        """Take back what it has not begun."""
        keys = [sent.assignment.attempt.key for sent in self._inbox]
        self._inbox.clear()
        return keys

    def receive(self) -> list[AttemptResult | AttemptKey]:
        """What it has said since: results, and keys of attempts whose function it lacks."""
        outbox, self._outbox = self._outbox, []
        return outbox

    def kill(self) -> None:
        """It runs nothing more, and is dead soon."""
        if self.alive:
            self.alive = False
            self._process.call_later(self._process.timeline.random.expovariate(100.0), self._died)

    def _take(self) -> None:
        """Go on with the next."""
        while self._inbox and not self._busy and self.alive:
            sent = self._inbox.popleft()
            key, function = sent.assignment.attempt.key, sent.assignment.function.id
            if sent.with_function:
                self._functions.add(function)
            if function not in self._functions:
                self._say(key)
                continue
            self._busy = True
            task = sent.assignment.attempt.task
            behaviour, value = Behaviour.decode(task.payload), self._runs.begin(key)
            self._process.call_later(behaviour.seconds, self._finish, key, behaviour, value)

    def _finish(self, key: AttemptKey, behaviour: Behaviour, value: bytes) -> None:
        if not self.alive:
            return
        self._busy = False
        end = behaviour.end(key.number)
        if end is End.CRASH:
            self.kill()
            return
        failure = Failure(FailureKind.EXCEPTION, "as it was told") if end is End.EXCEPTION else None
        if failure is None:
            self._runs.end(key, value)
        now = self._process.wall_clock()
        self._say(AttemptResult(*key, value=value, failure=failure, worker=self._worker_id, finished_at=now))
        self._take()

    def _say(self, what: AttemptResult | AttemptKey) -> None:
        self._outbox.append(what)
        delay = self._process.timeline.random.expovariate(1 / READING_SECONDS)
        self._process.call_later(delay, self._said)
