"""The registered workers, in groups of the same labels, and the choice among them. Pure."""

from collections.abc import Iterator
from itertools import count

from mpcsfaas.interfaces import Assignment
from mpcsfaas.scheduling.ranking import Policy, Ranking, Score
from mpcsfaas.scheduling.session import Session

REMEMBERED_FUNCTIONS = 4096


class Group:
    """Workers with the same labels: those that have room are ranked."""

    def __init__(self) -> None:
        self.credits: dict[str, int] = {}
        """Of each member."""
        self.credit = 0
        """Of all of them."""
        self.ranking = Ranking()


class Floor:
    """Every session, and who is to get the next attempt."""

    def __init__(self, policy: Policy = Policy.MOST_FREE) -> None:
        self.sessions: dict[str, Session] = {}
        self._policy = policy
        self._groups: dict[frozenset[str], Group] = {}
        self._turns = count(1)
        self._latest: dict[str, str] = {}
        """The worker that ran a function last."""

    def room(self) -> int:
        """Attempts that find room whatever labels of `labels` they demand: as much as the fullest such group has."""
        return min((group.credit for group in self._groups.values() if group.credit), default=0)

    def labels(self) -> list[frozenset[str]]:
        """The labels of each group with room."""
        return [labels for labels, group in self._groups.items() if group.credit]

    def serves(self, assignment: Assignment) -> bool:
        """Whether some worker that stays has all labels of the task, busy or not."""
        demanded = frozenset(assignment.attempt.task.options.labels)
        return any(demanded <= session.labels and not session.leaving for session in self.sessions.values())

    def add(self, session: Session) -> None:
        """A worker registered."""
        self.sessions[session.hello.worker_id] = session
        self._groups.setdefault(session.labels, Group())
        self.update(session)

    def remove(self, worker_id: str) -> Session | None:
        """A worker is gone; its session, if there was one."""
        session = self.sessions.pop(worker_id, None)
        if session is None:
            return None
        group = self._groups[session.labels]
        group.credit -= group.credits.pop(worker_id)
        group.ranking.remove(worker_id)
        if not group.credits:
            del self._groups[session.labels]
        return session

    def update(self, session: Session) -> bool:
        """What a worker holds or wants has changed. Whether it has more room than before."""
        worker_id, credit = session.hello.worker_id, session.credit
        group = self._groups[session.labels]
        before = group.credits.get(worker_id, 0)
        group.credits[worker_id] = credit
        group.credit += credit - before
        if credit:
            group.ranking.put(worker_id, self._score(session))
        else:
            group.ranking.remove(worker_id)
        return credit > before

    def choose(self, assignment: Assignment) -> Session | None:
        """Who is to have this attempt; None if nobody has room and its labels."""
        demanded = frozenset(assignment.attempt.task.options.labels)
        session = self._familiar(assignment.function.id, demanded) or self._best(demanded)
        if session is not None:
            session.used = next(self._turns)
            self._remember(assignment.function.id, session.hello.worker_id)
        return session

    def _best(self, demanded: frozenset[str]) -> Session | None:
        worker_id = min(self._candidates(demanded), default=((0, 0), None))[1]
        return None if worker_id is None else self.sessions[worker_id]

    def _candidates(self, demanded: frozenset[str]) -> Iterator[tuple[Score, str]]:
        for labels, group in self._groups.items():
            first = group.ranking.first() if demanded <= labels else None
            if first:
                yield first

    def _familiar(self, function_id: str, demanded: frozenset[str]) -> Session | None:
        session = self.sessions.get(self._latest.get(function_id, ""))
        if session and session.credit and session.free > 0 and demanded <= session.labels:
            return session
        return None

    def _remember(self, function_id: str, worker_id: str) -> None:
        if self._policy is Policy.FUNCTION_AFFINITY:
            self._latest.pop(function_id, None)
            self._latest[function_id] = worker_id
            if len(self._latest) > REMEMBERED_FUNCTIONS:
                del self._latest[next(iter(self._latest))]

    def _score(self, session: Session) -> Score:
        if self._policy is Policy.LEAST_RECENTLY_USED:
            return (session.used, 0)
        return (-session.free, session.used)
