"""Decides what is said to which worker, and what has become of attempts. Pure: no sockets, no clock.

An attempt that was dispatched is in one place at a time: in the *backlog*, when no worker can have it just now; with
the session of one worker; or reported. Events come in with the monotonic time, actions go out.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from mpcsfaas.errors import IncompatiblePeer
from mpcsfaas.interfaces import Assignment, FailureDetector
from mpcsfaas.model import AttemptKey, AttemptResult, Failure, FailureKind
from mpcsfaas.scheduling.actions import Action, Adopt, GiveBack, Grow, Lose, Report, Say
from mpcsfaas.scheduling.floor import Floor
from mpcsfaas.scheduling.ranking import Policy
from mpcsfaas.scheduling.session import Entry, Session
from mpcsfaas.wire import (
    MAX_FRAME,
    VERSION,
    Beat,
    Fetch,
    FromDispatcher,
    FromWorker,
    Hello,
    Leaving,
    NeedFunctions,
    Refused,
    Results,
    Returned,
    Settled,
    Unknown,
    Welcome,
    negotiate,
)

PATIENCE_SECONDS = 5.0
"""How long an attempt waits in the backlog when there is no worker with its labels."""

ENVELOPE_BYTES = 8192
"""Room in a frame for what is not a payload."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A worker that is to be welcomed."""

    route: bytes
    version: int
    hello: Hello


@dataclass(frozen=True, slots=True)
class Waiting:
    """An attempt in the backlog."""

    assignment: Assignment
    since: float


class Scheduler:
    """The dispatcher's side of the protocol, for all workers."""

    def __init__(
        self, dispatcher_id: str, detector: FailureDetector, sequence: int, policy: Policy = Policy.MOST_FREE
    ) -> None:
        """Orders are numbered from `sequence`, which must be over those of the dispatchers before."""
        self._dispatcher_id = dispatcher_id
        self._detector = detector
        self._sequence = sequence
        self._floor = Floor(policy)
        self._arrivals: dict[str, Arrival] = {}
        self._holder: dict[AttemptKey, str] = {}
        """The worker whose session has an attempt, running or handed in."""
        self._backlog: dict[AttemptKey, Waiting] = {}
        self._actions: list[Action] = []

    # What is asked

    def capacity(self) -> int:
        """How many more attempts are wanted: as many as surely find room, whatever labels they demand."""
        return max(0, self._floor.room() - len(self._backlog))

    def labels(self) -> list[frozenset[str]]:
        """The label set of each group of workers with room."""
        return self._floor.labels()

    def sessions(self) -> Collection[Session]:
        """Every registered worker."""
        return self._floor.sessions.values()

    def session(self, worker_id: str) -> Session | None:
        """Of a registered worker."""
        return self._floor.sessions.get(worker_id)

    # What the dispatcher does

    def dispatch(self, assignments: Sequence[Assignment], now: float) -> list[Action]:
        """Take over attempts. One that no frame can hold fails, whoever would run it."""
        oversized = [assignment for assignment in assignments if _size(assignment) > MAX_FRAME]
        if oversized:
            self._actions.append(Report([_oversized(assignment) for assignment in oversized]))
        self._queue((assignment for assignment in assignments if _size(assignment) <= MAX_FRAME), now)
        self._place(now)
        return self._take_actions()

    def cancel(self, keys: Sequence[AttemptKey], now: float) -> list[Action]:
        """Attempts are no longer wanted; unknown keys are ignored."""
        for key in keys:
            self._backlog.pop(key, None)
        for session, theirs in self._by_session(keys):
            self._cancel_at(session, [key for key in theirs if key in session.attempts], now)
        self._place(now)
        return self._take_actions()

    def settled(self, keys: Sequence[AttemptKey]) -> list[Action]:
        """Outcomes are durable, or not wanted."""
        for session, theirs in self._by_session(keys):
            done = [key for key in theirs if key in session.handed_in]
            if done:
                session.handed_in.difference_update(done)
                self._forget(done)
                self._say(session, [Settled(tuple(done))])
                self._dismiss_if_done(session)
        return self._take_actions()

    def adopted(self, worker_id: str, keys: Collection[AttemptKey], now: float) -> list[Action]:
        """The answer to `Adopt`: these are ours now."""
        arrival = self._arrivals.pop(worker_id)
        self._welcome(arrival, {key for key in keys if self._is_free(key)}, now)
        return self._take_actions()

    def offer(self, worker_id: str, room: int, now: float) -> list[Action]:
        """A registered worker has room for so many more attempts than it holds now; for none until the next offer if 0.

        For strategies where a worker's room is not its window.
        """
        session = self._floor.sessions[worker_id]
        session.window = len(session.attempts) + room if room else 0
        self._changed(session)
        self._place(now)
        return self._take_actions()

    def evict(self, worker_ids: Iterable[str]) -> list[Action]:
        """Have nothing to do with these workers any more; what they hold is lost."""
        for worker_id in worker_ids:
            self._evict(worker_id, "It is no longer admitted.")
        return self._take_actions()

    def tick(self, now: float) -> list[Action]:
        """Time passed."""
        for worker_id in self._detector.suspects(now):
            self._evict(worker_id)
        hopeless = [key for key, waiting in self._backlog.items() if self._is_hopeless(waiting, now)]
        for key in hopeless:
            del self._backlog[key]
        self._lose(hopeless, "", "There is none with its labels any more.")
        return self._take_actions()

    def farewell(self) -> list[Action]:
        """The dispatcher ends. Workers keep what they have for the next; those that leave wait for nothing more."""
        for session in self._floor.sessions.values():
            self._say(session, [Unknown()])
        return self._take_actions()

    # What workers say

    def hear(self, route: bytes, message: FromWorker, now: float) -> list[Action]:
        """A worker said something."""
        if isinstance(message, Hello):
            self._on_hello(route, message, now)
            return self._take_actions()
        session = self._floor.sessions.get(message.worker_id)
        if session is None:
            return [Say(route, VERSION, [Unknown()])]
        session.route, session.heard_at = route, now
        self._detector.beat(message.worker_id, now)
        self._on_message(session, message, now)
        return self._take_actions()

    def _on_message(self, session: Session, message: FromWorker, now: float) -> None:
        match message:
            case Beat():
                self._on_beat(session, message, now)
            case Results(_, results):
                self._on_results(session, results, now)
            case Returned():
                self._on_returned(session, message, now)
            case NeedFunctions(_, function_ids):
                self._on_need(session, function_ids, now)
            case Leaving():
                session.leaving = True
                self._changed(session)
                self._dismiss_if_done(session)
            case Fetch():
                session.receive(message.received)
                self._say(session, session.say_again(now, patience=-1.0))

    def _on_beat(self, session: Session, beat: Beat, now: float) -> None:
        session.busy, session.window = beat.busy, beat.window
        session.receive(beat.received)
        self._say(session, session.say_again(now, 2 * self._detector.interval))
        self._changed(session)
        self._place(now)

    def _on_results(self, session: Session, results: Sequence[AttemptResult], now: float) -> None:
        """Hand over those of attempts that the worker has, again too; the others are not wanted."""
        ours = [result for result in results if self._holder.get(result.key) == session.hello.worker_id]
        for result in ours:
            session.attempts.pop(result.key, None)
            session.handed_in.add(result.key)
        if ours:
            self._actions.append(Report(ours))
        if len(ours) < len(results):
            wanted = {result.key for result in ours}
            self._say(session, [Settled(tuple(result.key for result in results if result.key not in wanted))])
        self._changed(session)
        self._place(now)

    def _on_returned(self, session: Session, returned: Returned, now: float) -> None:
        """Whoever has room may have them, later this worker too: so it is ordered to forget them before that order."""
        keys = [key for key in returned.keys if session.may_return(key, returned.received)]
        entries = {key: session.attempts[key] for key in keys if key in session.attempts}
        self._cancel_at(session, keys, now)
        self._requeue(entries, now)
        self._place(now)
        self._dismiss_if_done(session)

    def _on_need(self, session: Session, function_ids: Sequence[str], now: float) -> None:
        bodies, hopeless = session.functions(function_ids)
        self._say(session, bodies)
        if hopeless:
            self._cancel_at(session, hopeless, now)
            self._lose(hopeless, session.hello.worker_id, "Its function was no longer at hand after a restart.")
            self._place(now)

    # Registration

    def _on_hello(self, route: bytes, hello: Hello, now: float) -> None:
        """Welcome a worker, once it is known which of its attempts are ours. It may say hello again meanwhile."""
        try:
            arrival = Arrival(route, negotiate(hello), hello)
        except IncompatiblePeer as error:
            self._actions.append(Say(route, VERSION, [Refused(str(error))]))
            return
        if hello.worker_id in self._floor.sessions:
            self._detector.beat(hello.worker_id, now)
        is_asked_for = hello.worker_id in self._arrivals
        strangers = [key for key in hello.held if self._is_free(key)]
        if strangers or is_asked_for:
            self._arrivals[hello.worker_id] = arrival
            self._actions += [] if is_asked_for else [Adopt(hello.worker_id, strangers)]
        else:
            self._welcome(arrival, set(), now)

    def _welcome(self, arrival: Arrival, adopted: Collection[AttemptKey], now: float) -> None:
        hello = arrival.hello
        before = self._remove(hello.worker_id)
        session = Session(hello, arrival.route, arrival.version, self._sequence, now)
        self._say(session, [Welcome(session.version, self._detector.interval, self._dispatcher_id, session.sequence)])
        for key in adopted:
            self._holder[key] = hello.worker_id
            session.attempts[key] = Entry(None, session.sequence)
        if before:
            session.attempts |= before.attempts
            session.handed_in = before.handed_in
        absent = _take_absent(session)
        self._floor.add(session)
        self._cancel_at(session, [key for key in hello.held if self._holder.get(key) != hello.worker_id], now)
        self._order_again(session, before, absent, now)
        self._detector.beat(hello.worker_id, now)
        self._actions.append(Grow())
        self._place(now)

    def _order_again(
        self, session: Session, before: Session | None, absent: Mapping[AttemptKey, Entry], now: float
    ) -> None:
        """Order anew what the worker has not heard of; what it has lost since, or has no room for now, is lost.

        It goes to no other worker: the order may arrive yet, as the worker may have said hello before it did.
        """
        unheard = [entry.assignment for entry in absent.values() if before and not before.has_received(entry)]
        fitting = [one for one in unheard if one and set(one.attempt.task.options.labels) <= session.labels]
        again = fitting[: session.credit]
        if again:
            self._say(session, session.give(again, now))
            self._changed(session)
        kept = {assignment.attempt.key for assignment in again}
        self._lose([key for key in absent if key not in kept], session.hello.worker_id, "It does not hold it any more.")

    def _evict(self, worker_id: str, reason: str = "It was not heard for too long.") -> None:
        """A worker is dead, as far as can be told, or has to go. If it is not dead, it will be told."""
        self._detector.forget(worker_id)
        session = self._remove(worker_id)
        if session is None:
            return
        self._forget(session.handed_in)
        self._actions.append(Lose(worker_id, len(session.attempts)))
        self._lose(list(session.attempts), worker_id, reason)

    def _dismiss_if_done(self, session: Session) -> None:
        if session.leaving and session.is_empty:
            self._remove(session.hello.worker_id)
            self._detector.forget(session.hello.worker_id)

    def _remove(self, worker_id: str) -> Session | None:
        """A session is over; the orders of the next, whoever's it is, are numbered from there."""
        session = self._floor.remove(worker_id)
        self._sequence = max(self._sequence, session.sequence if session else 0)
        return session

    # Where attempts are

    def _place(self, now: float) -> None:
        """Give what waits to workers with room."""
        given: dict[str, list[Assignment]] = {}
        for key, waiting in list(self._backlog.items()) if self._floor.room() else ():
            session = self._floor.choose(waiting.assignment)
            if session is not None:
                del self._backlog[key]
                self._holder[key] = session.hello.worker_id
                session.reserve(waiting.assignment)
                self._floor.update(session)
                given.setdefault(session.hello.worker_id, []).append(waiting.assignment)
        for worker_id, assignments in given.items():
            session = self._floor.sessions[worker_id]
            self._say(session, session.give(assignments, now))

    def _queue(self, assignments: Iterable[Assignment], now: float) -> None:
        for assignment in assignments:
            self._backlog[assignment.attempt.key] = Waiting(assignment, now)

    def _requeue(self, entries: dict[AttemptKey, Entry], now: float) -> None:
        """Attempts that never began at a worker: another may have them; of what was adopted, only keys are here."""
        self._queue([entry.assignment for entry in entries.values() if entry.assignment], now)
        adopted = [key for key, entry in entries.items() if entry.assignment is None]
        self._actions += [GiveBack(adopted)] if adopted else []

    def _lose(self, keys: Collection[AttemptKey], worker_id: str, reason: str) -> None:
        self._forget(keys)
        failure = Failure(FailureKind.WORKER_LOST, f"Worker {worker_id} no longer has this attempt. {reason}")
        if keys:
            self._actions.append(Report([AttemptResult(*key, failure=failure, worker=worker_id) for key in keys]))

    def _forget(self, keys: Iterable[AttemptKey]) -> None:
        for key in keys:
            self._holder.pop(key, None)

    def _cancel_at(self, session: Session, keys: Sequence[AttemptKey], now: float) -> None:
        if keys:
            self._say(session, session.cancel(keys, now))
            self._forget(key for key in keys if self._holder.get(key) == session.hello.worker_id)
            self._changed(session)

    def _is_free(self, key: AttemptKey) -> bool:
        """Whether nobody here has anything to do with an attempt."""
        return key not in self._holder and key not in self._backlog

    def _is_hopeless(self, waiting: Waiting, now: float) -> bool:
        return now - waiting.since > PATIENCE_SECONDS and not self._floor.serves(waiting.assignment)

    def _by_session(self, keys: Iterable[AttemptKey]) -> list[tuple[Session, list[AttemptKey]]]:
        """Those of the keys that some worker has."""
        found: dict[str, list[AttemptKey]] = {}
        for key in keys:
            if key in self._holder:
                found.setdefault(self._holder[key], []).append(key)
        return [(self._floor.sessions[worker_id], theirs) for worker_id, theirs in found.items()]

    # What is to be done

    def _changed(self, session: Session) -> None:
        """What a worker holds or wants has changed."""
        if session.hello.worker_id in self._floor.sessions and self._floor.update(session):
            self._actions.append(Grow())

    def _say(self, session: Session, messages: Sequence[FromDispatcher]) -> None:
        if messages:
            self._actions.append(Say(session.route, session.version, messages))

    def _take_actions(self) -> list[Action]:
        actions, self._actions = self._actions, []
        return actions


def _take_absent(session: Session) -> dict[AttemptKey, Entry]:
    """Take from a new session what the worker does not hold, and note that it has heard of the rest."""
    held = set(session.hello.held)
    absent = {key: entry for key, entry in session.attempts.items() if key not in held}
    for key in absent:
        del session.attempts[key]
    for key, entry in session.attempts.items():
        session.attempts[key] = Entry(entry.assignment, session.sequence)
    return absent


def _size(assignment: Assignment) -> int:
    """Bytes of the larger of the two frames that bring an attempt."""
    arguments = len(assignment.attempt.task.payload) + sum(len(parent.value) for parent in assignment.parents)
    return max(arguments, len(assignment.function.payload)) + ENVELOPE_BYTES


def _oversized(assignment: Assignment) -> AttemptResult:
    message = (
        f"Function or arguments, with the results that they refer to, have {_size(assignment)} bytes with their"
        f" envelope; workers take at most {MAX_FRAME}. "
        "Pass large data by reference: a path or a URL."
    )
    return AttemptResult(*assignment.attempt.key, failure=Failure(FailureKind.INVALID_PAYLOAD, message))
