"""What a worker agent holds and says: decided here, without sockets, clock or processes. See `docs/wire.md`.

An attempt here is *waiting* for its function, *running* in the pool, or in the *outbox*, until the dispatcher settles
or cancels it. All of that is `held`, which a `hello` tells. Times are monotonic seconds, handed in.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from msgspec.structs import replace

from mpcsfaas.interfaces.strategy import Assignment
from mpcsfaas.model import Attempt, AttemptKey, AttemptResult, Failure, FailureKind, Function, Task, TaskOptions
from mpcsfaas.wire import (
    MAX_FRAME,
    VERSION,
    Beat,
    Cancel,
    Fetch,
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
from mpcsfaas.worker.function_store import FunctionStore
from mpcsfaas.worker.outbox import Outbox

UNTRACED = TaskOptions()
HELLO_SECONDS = 1.0
"""Pause between greetings while nobody answers."""
ASK_SECONDS = 2.0
"""Pause between questions for a function that does not come."""
ENVELOPE_BYTES = 1024 * 1024
"""Room in a frame for what is not a result's value or output."""
NEWS_SECONDS = 0.05
"""Least pause between beats, however often the window changes."""


@dataclass(frozen=True, slots=True)
class Submit:
    """Have the pool run these."""

    assignments: Sequence[Assignment]


@dataclass(frozen=True, slots=True)
class Stop:
    """Have the pool stop these."""

    keys: Sequence[AttemptKey]


@dataclass(frozen=True, slots=True)
class End:
    """The worker is refused, and ends."""

    reason: str


Action: TypeAlias = Submit | Stop | End


class AgentState:
    """The worker's side of the protocol."""

    def __init__(self, hello: Hello, functions: FunctionStore | None = None) -> None:
        """`hello` says who the worker is; its `window` and `held` are filled in here."""
        self._hello = hello
        self._functions = functions or FunctionStore()
        self._waiting: dict[AttemptKey, Job] = {}
        self._running: set[AttemptKey] = set()
        self._outbox = Outbox()
        self.version = VERSION
        """That was agreed on, for every frame that is said."""
        self.welcome = False
        """Whether the dispatcher knows this worker."""
        self.leaving = False
        self._received = 0
        self._interval = 1.0
        self._busy = 0
        self._window = hello.window
        self._news = False
        self.hurried = False
        """Whether a worker that leaves goes without the dispatcher's word."""
        self._hello_at = self._beat_at = self._ask_at = self._latest_beat = 0.0

    # What the agent asks

    @property
    def running(self) -> int:
        """Attempts in the pool's hands."""
        return len(self._running)

    @property
    def held(self) -> tuple[AttemptKey, ...]:
        """Everything in this worker's hands."""
        return (*self._waiting, *self._running, *self._outbox.keys())

    @property
    def gone(self) -> bool:
        """Whether a worker that is leaving has nothing to do, and nothing is on its way to it.

        The dispatcher, once it has heard of the leave and expects nothing more, says that it does not know the worker.
        """
        return self.leaving and not self.held and (self.hurried or not self.welcome)

    def wake_at(self) -> float:
        """When `outgoing` will have something, if nothing happens before."""
        if self.gone:
            return 0.0
        if not self.welcome:
            return self._hello_at
        due = [self._beat_at, self._latest_beat + NEWS_SECONDS] if self._news else [self._beat_at]
        outbox_at = self._outbox.due_at()
        if outbox_at is not None:
            due.append(outbox_at)
        if self._waiting:
            due.append(self._ask_at)
        return min(due)

    # What the worker does

    def stand(self, busy: int, window: int) -> None:
        """How the pool stands: slots that run something, and attempts that it wants to hold."""
        window = 0 if self.leaving else window
        self._news = self._news or window != self._window
        self._busy, self._window = busy, window

    def finish(self, results: Iterable[AttemptResult]) -> None:
        """Attempts ended. Nobody wants to hear of those that were cancelled."""
        for result in results:
            if result.key in self._running:
                self._running.discard(result.key)
                self._outbox.put(_fitting(result))

    def give_back(self, keys: Iterable[AttemptKey]) -> None:
        """The pool will not begin these. Those that were cancelled are nobody's.

        A beat goes before, however lately one was said: the smaller window keeps them from coming right back.
        """
        for key in keys:
            if key in self._running:
                self._running.discard(key)
                self._outbox.give_back(key)
                self._beat_at = 0.0

    def leave(self) -> None:
        """Take no more attempts, and give back those that cannot begin."""
        self.leaving = True
        self._window, self._beat_at = 0, 0.0
        for key in self._waiting:
            self._outbox.give_back(key)
        self._waiting.clear()

    # What the worker says

    def outgoing(self, now: float) -> list[FromWorker]:
        """What to say now in one message; it counts as said. Empty if there is nothing."""
        if self.gone:
            return []
        if not self.welcome:
            return self._greet(now)
        return [*self._report_standing(now), *self._ask(now), *self._hand_in(now)]

    def fetch(self, wait: float) -> Fetch | None:
        """Ask for as many attempts as are wanted; None if none are, or none may be had."""
        want = self._window - len(self._running) - len(self._waiting)
        if not self.welcome or self.leaving or want < 1:
            return None
        return Fetch(self._hello.worker_id, want, wait, self._received)

    def _greet(self, now: float) -> list[FromWorker]:
        if now < self._hello_at:
            return []
        self._hello_at = now + HELLO_SECONDS
        return [replace(self._hello, window=self._window, held=self.held)]

    def _report_standing(self, now: float) -> list[FromWorker]:
        if now < self._beat_at and not (self._news and now >= self._latest_beat + NEWS_SECONDS):
            return []
        self._beat_at, self._latest_beat, self._news = now + self._interval, now, False
        worker_id = self._hello.worker_id
        leaving: list[FromWorker] = [Leaving(worker_id)] if self.leaving else []
        return [*leaving, Beat(worker_id, self._busy, self._window, self._received)]

    def _ask(self, now: float) -> list[FromWorker]:
        if not self._waiting or now < self._ask_at:
            return []
        self._ask_at = now + ASK_SECONDS
        wanted = dict.fromkeys(job.function_id for job in self._waiting.values())
        return [NeedFunctions(self._hello.worker_id, tuple(wanted))]

    def _hand_in(self, now: float) -> list[FromWorker]:
        results, returned = self._outbox.take(now)
        said: list[FromWorker] = [Results(self._hello.worker_id, results)] if results else []
        return [*said, Returned(self._hello.worker_id, returned, self._received)] if returned else said

    # What the worker hears

    def receive(self, message: FromDispatcher) -> list[Action]:
        """The dispatcher said something."""
        match message:
            case Welcome():
                self._on_welcome(message)
            case Unknown():
                self._on_unknown()
            case Functions(functions):
                return self._on_functions(functions)
            case Jobs(sequence, jobs):
                return self._on_jobs(jobs) if self._is_next(sequence) else []
            case Cancel(sequence, keys):
                return self._on_cancel(keys) if self._is_new(sequence) else []
            case Settled(keys):
                self._outbox.settle(keys)
            case Refused(reason):
                return [End(reason)]
        return []

    def _on_welcome(self, welcome: Welcome) -> None:
        self.welcome, self.version = True, welcome.version
        self._interval, self._received = welcome.interval, welcome.sequence
        self._beat_at = self._ask_at = 0.0
        self._outbox.say_all_again()

    def _on_unknown(self) -> None:
        """A repeated answer to what was said before the greeting must not repeat that."""
        if self.welcome:
            self.welcome, self._hello_at = False, 0.0

    def _is_next(self, sequence: int) -> bool:
        """Whether it is the order after the last. One that was heard may have ended, one after a gap is said again."""
        if not self.welcome or sequence != self._received + 1:
            return False
        self._received = sequence
        return True

    def _is_new(self, sequence: int) -> bool:
        """As `_is_next`, for an order that does no harm after a gap, and may overtake others."""
        return self._is_next(sequence) or (self.welcome and sequence > self._received)

    def _on_jobs(self, jobs: Sequence[Job]) -> list[Action]:
        fresh = [job for job in jobs if not self._holds(job.key)]
        if self.leaving:
            for job in fresh:
                self._outbox.give_back(job.key)
            return []
        return self._begin(fresh)

    def _holds(self, key: AttemptKey) -> bool:
        return key in self._running or key in self._waiting or key in self._outbox

    def _begin(self, jobs: Sequence[Job]) -> list[Action]:
        """Run the jobs whose functions are here; the others wait."""
        assignments = []
        for job in jobs:
            function = self._functions.get(job.function_id)
            if function is None:
                self._waiting[job.key] = job
                self._ask_at = 0.0
            else:
                self._running.add(job.key)
                assignments.append(_assignment(job, function))
        return [Submit(assignments)] if assignments else []

    def _on_functions(self, functions: Sequence[Function]) -> list[Action]:
        arrived = {function.id: function for function in functions}
        self._functions.add(functions)
        ready = [(job, arrived[job.function_id]) for job in self._waiting.values() if job.function_id in arrived]
        for job, _ in ready:
            del self._waiting[job.key]
            self._running.add(job.key)
        return [Submit([_assignment(job, function) for job, function in ready])] if ready else []

    def _on_cancel(self, keys: Sequence[AttemptKey]) -> list[Action]:
        stopped = [key for key in keys if key in self._running]
        self._running.difference_update(stopped)
        for key in keys:
            self._waiting.pop(key, None)
        self._outbox.settle(keys)
        return [Stop(stopped)] if stopped else []


def _assignment(job: Job, function: Function) -> Assignment:
    """A job as the pool takes it. When it was accepted and claimed is not the worker's business."""
    options = TaskOptions(traceparent=job.traceparent) if job.traceparent else UNTRACED
    task = Task(job.task_id, job.function_id, job.payload, job.serializer, 0.0, options)
    return Assignment(Attempt(task, job.number, 0.0), function, job.timeout, job.parents)


def _fitting(result: AttemptResult) -> AttemptResult:
    """The result, or why it cannot be handed in."""
    size = len(result.value) + len(result.stdout) + len(result.stderr) + ENVELOPE_BYTES
    if size <= MAX_FRAME:
        return result
    message = f"The result has {size} bytes with its output and envelope; a dispatcher takes at most {MAX_FRAME}."
    return replace(result, value=b"", stdout="", stderr="", failure=Failure(FailureKind.RESULT_TOO_LARGE, message))
