"""Decides which request of which worker is answered with what, and when. Pure: no sockets, no clock.

What is said to workers, and what becomes of attempts, is the scheduler's to decide, as in every strategy whose workers
connect. But here nothing can be said that was not asked for. So the broker keeps what is said until the worker's next
request, and lets the scheduler give attempts to a worker only while a fetch of it is parked: for as long, the worker's
room is what that fetch wants, and else none.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import TypeAlias

from msgspec.structs import replace

from mpcsfaas.interfaces import Assignment
from mpcsfaas.model import AttemptKey
from mpcsfaas.scheduling import Action as Scheduled
from mpcsfaas.scheduling import Adopt, GiveBack, Grow, Lose, Report, Say, Scheduler, Session
from mpcsfaas.wire import (
    VERSION,
    Beat,
    Cancel,
    Fetch,
    FromDispatcher,
    FromWorker,
    Hello,
    Jobs,
    Refused,
    Returned,
    Settled,
    Unknown,
    Welcome,
)
from mpcsfaas_pull.desk import Desk, Parked, Reply, Source

BEAT_SECONDS = 0.5
"""Longest pause between beats, for a worker that fetches nothing hears of a cancellation in the answer to one."""
PARK_SECONDS = 30.0
"""Longest that a fetch is parked, however long it would wait."""
FORGET_SECONDS = 10.0
"""How long what is to be said is kept for a worker that is no longer registered."""

Action: TypeAlias = Reply | Report | Adopt | GiveBack | Lose | Grow


class Broker:
    """The workers' requests. Each is answered at most once."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._desks: dict[str, Desk] = {}

    # What is asked

    def capacity(self) -> int:
        """How many more attempts the parked fetches want."""
        return self._scheduler.capacity()

    def labels(self) -> list[frozenset[str]]:
        """The label set of each group of workers with a parked fetch."""
        return self._scheduler.labels()

    def sessions(self) -> Collection[Session]:
        """Every registered worker."""
        return self._scheduler.sessions()

    # Events

    def request(self, source: Source, messages: Sequence[FromWorker], now: float) -> list[Action]:
        """A worker said this in one request. One that says nothing is answered as one of an unknown worker."""
        if not messages:
            return [Reply(source, VERSION, [Unknown()])]
        first = messages[0]
        desk = self._desks.setdefault(first.worker_id, Desk(now))
        desk.heard_at = now
        match first:
            case Hello():
                desk.greeting, desk.parked = source, None
                actions = self._hear(replace(first, window=0), now)
            case Fetch():
                actions = self._fetch(source, first, desk, now)
            case _:
                actions = self._report(source, messages, desk, now)
        self._tidy(first.worker_id)
        return actions

    def dispatch(self, assignments: Sequence[Assignment], now: float) -> list[Action]:
        """Take over attempts; parked fetches are answered at once."""
        return self._sort(self._scheduler.dispatch(assignments, now), now)

    def cancel(self, keys: Sequence[AttemptKey], now: float) -> list[Action]:
        """Attempts are no longer wanted; unknown keys are ignored."""
        return self._sort(self._scheduler.cancel(keys, now), now)

    def settled(self, keys: Sequence[AttemptKey], now: float) -> list[Action]:
        """Outcomes are durable, or not wanted."""
        return self._sort(self._scheduler.settled(keys), now)

    def adopted(self, worker_id: str, keys: Collection[AttemptKey], now: float) -> list[Action]:
        """The answer to `Adopt`: these are ours now."""
        return self._sort(self._scheduler.adopted(worker_id, keys, now), now)

    def evict(self, worker_ids: Iterable[str], now: float) -> list[Action]:
        """Have nothing to do with these workers any more; what they hold is lost."""
        return self._sort(self._scheduler.evict(worker_ids), now)

    def tick(self, now: float) -> list[Action]:
        """Time passed."""
        actions = self._sort(self._scheduler.tick(now), now)
        for worker_id, desk in list(self._desks.items()):
            if desk.parked and desk.parked.until <= now:
                actions += self._answer_fetch(worker_id, desk, now)
            if now - desk.heard_at > FORGET_SECONDS:
                self._tidy(worker_id)
        return actions

    @property
    def owes_words(self) -> bool:
        """Whether there is something to say to a worker that has no fetch parked, and so has to report first."""
        return any(desk.unsaid and not desk.parked for desk in self._desks.values())

    def farewell(self, now: float) -> list[Action]:
        """The dispatcher ends: what is left to say goes into the answers to parked fetches."""
        return self._sort(self._scheduler.farewell(), now)

    # Requests

    def _fetch(self, source: Source, fetch: Fetch, desk: Desk, now: float) -> list[Action]:
        """Park it, in place of one that is parked; what the worker has not heard yet is an answer at once."""
        desk.parked = Parked(source, fetch.want, now + min(fetch.wait, PARK_SECONDS))
        return [*self._hear(fetch, now), *self._offer(fetch.worker_id, desk, now)]

    def _report(self, source: Source, messages: Sequence[FromWorker], desk: Desk, now: float) -> list[Action]:
        """Answer at once. Greetings and fetches of the same request, or another worker's words, are out of place."""
        actions: list[Action] = []
        for message in messages:
            if message.worker_id == messages[0].worker_id and not isinstance(message, Hello | Fetch):
                if isinstance(message, Returned):  # What it wanted before it would bring that right back.
                    actions += self._answer_fetch(message.worker_id, desk, now)
                actions += self._hear(message, now)
        return [*actions, *self._offer(messages[0].worker_id, desk, now), desk.reply(source, Settled())]

    def _offer(self, worker_id: str, desk: Desk, now: float) -> list[Action]:
        """Let the scheduler give the worker what it wants, however much it holds."""
        if desk.parked is None or self._scheduler.session(worker_id) is None:
            return []
        return self._sort(self._scheduler.offer(worker_id, desk.parked.want, now), now)

    def _hear(self, message: FromWorker, now: float) -> list[Action]:
        if isinstance(message, Beat):
            session = self._scheduler.session(message.worker_id)
            message = replace(message, window=session.window if session else 0)
        return self._sort(self._scheduler.hear(message.worker_id.encode(), message, now), now)

    def _tidy(self, worker_id: str) -> None:
        """Forget a worker that is not registered, nor about to be."""
        if self._scheduler.session(worker_id) is None and self._desks[worker_id].greeting is None:
            del self._desks[worker_id]

    # Answers

    def _sort(self, scheduled: Iterable[Scheduled], now: float) -> list[Action]:
        """The same, with what is to be said put into answers."""
        actions: list[Action] = []
        for action in scheduled:
            if isinstance(action, Say):
                actions += self._say(action.route.decode(), action.messages, now)
                continue
            actions.append(action)
            if isinstance(action, Lose):
                actions += self._say(action.worker_id, [Unknown()], now)
        return actions

    def _say(self, worker_id: str, messages: Sequence[FromDispatcher], now: float) -> list[Action]:
        desk, session = self._desks[worker_id], self._scheduler.session(worker_id)
        desk.version = session.version if session else desk.version
        desk.unsaid += map(_hasten, messages)
        if desk.greeting and _has(messages, Welcome | Refused):
            greeting, desk.greeting = desk.greeting, None
            return [desk.reply(greeting, Unknown())]
        if desk.parked and _has(messages, Jobs | Cancel | Unknown):
            return self._answer_fetch(worker_id, desk, now)
        return []

    def _answer_fetch(self, worker_id: str, desk: Desk, now: float) -> list[Action]:
        parked, desk.parked = desk.parked, None
        if parked is None:
            return []
        reply = desk.reply(parked.source, Jobs())
        if self._scheduler.session(worker_id) is None:
            return [reply]
        return [reply, *self._sort(self._scheduler.offer(worker_id, 0, now), now)]


def _hasten(message: FromDispatcher) -> FromDispatcher:
    """Ask for beats that are quick enough for cancellations."""
    return replace(message, interval=min(message.interval, BEAT_SECONDS)) if isinstance(message, Welcome) else message


def _has(messages: Iterable[FromDispatcher], kinds: object) -> bool:
    return any(isinstance(message, kinds) for message in messages)  # type: ignore[arg-type]
