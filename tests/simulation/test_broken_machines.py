"""The simulation can fail: each of these breaks one rule, and a history shows it soon."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

import msgspec
import pytest

from mpcsfaas.dispatcher import Dispatcher
from mpcsfaas.dispatcher.ledger import Ledger
from mpcsfaas.interfaces import StrategyContext
from mpcsfaas.interfaces.storage import StorageOptions
from mpcsfaas.model import Attempt, AttemptKey, Budget, State, Transition
from mpcsfaas.plugins import Plugins
from mpcsfaas.scheduling import Scheduler
from mpcsfaas.testing.simulation import Machinery, simulate
from mpcsfaas.wire import FromDispatcher
from mpcsfaas.worker.agent import WorkerAgent
from mpcsfaas.worker.outbox import Outbox
from mpcsfaas_push.dispatcher import PushStrategy
from mpcsfaas_push.options import PushOptions
from mpcsfaas_storage_memory import MemoryStorage
from mpcsfaas_storage_memory.entry import Entry

SOON = 40
"""Histories within which a broken machine must be found out."""


# Storages


class Unfenced(MemoryStorage):
    """Whatever attempt a result is of, it ends the task."""

    def _finish(self, transition: Transition, now: float) -> bool:
        entry = self._entries[transition.key.task_id]
        if entry.state is State.RUNNING and entry.attempt != transition.key.number:
            entry.finish(transition, now, self._sequences)
            return True
        return super()._finish(transition, now)


class Fickle(MemoryStorage):
    """What has ended can still be cancelled."""

    def _cancel(self, entry: Entry | None, now: float) -> State | None:
        if entry and entry.state in (State.COMPLETED, State.FAILED):
            entry.state = State.CANCELLED
        return super()._cancel(entry, now)


class Doubling(MemoryStorage):
    """Two claims can get the same attempt."""

    def __init__(self, url: str, options: StorageOptions) -> None:
        super().__init__(url, options)
        self.twice: set[int] = set()

    async def claim(
        self, dispatcher_id: str, limit: int, lease: float, labels: Collection[frozenset[str]] = (frozenset(),)
    ) -> list[Attempt]:
        attempts = await super().claim(dispatcher_id, limit, lease, labels)
        for attempt in attempts:
            entry = self._entries[attempt.task.id]
            if entry.position not in self.twice:
                entry.state, entry.attempt = State.QUEUED, 0
                self.twice.add(entry.position)
        return attempts


# Dispatchers


class Punctual(Ledger):
    """Asks its own clock whether what storage has found overdue is overdue."""

    def take_overdue(self, attempts: Sequence[Attempt], now: float) -> None:  # type: ignore[override]
        self.take(attempts, now)


class Lenient(Ledger):
    """What its dispatcher has lost costs nothing."""

    def take_lapsed(self, attempts: Sequence[Attempt], now: float) -> None:  # type: ignore[override]
        super().take_lapsed(attempts, now)
        self._pending = {
            key: msgspec.structs.replace(transition, budget=Budget.NONE) for key, transition in self._pending.items()
        }


def with_ledger(ledger: type[Ledger]) -> type[Dispatcher]:
    class WithLedger(Dispatcher):
        def __init__(self, *args: object, **kwargs: object) -> None:
            super().__init__(*args, **kwargs)  # type: ignore[arg-type]
            self._ledger = ledger(self._settings.deadline)

    return WithLedger


class Idle(Dispatcher):
    """Does not renew leases."""

    async def _renew(self) -> None:
        pass


# Schedulers


class Forgetful(Scheduler):
    """Attempts of a lost worker are not reported."""

    def _lose(self, keys: Collection[AttemptKey], worker_id: str, reason: str) -> None:
        self._forget(keys)


class Mumbling(Scheduler):
    """Orders that were not heard are not said again."""

    def _say(self, session: object, messages: Sequence[FromDispatcher]) -> None:
        fresh = [message for message in messages if getattr(message, "sequence", None) is None or self._is_new(message)]
        super()._say(session, fresh)  # type: ignore[arg-type]

    def _is_new(self, message: FromDispatcher) -> bool:
        said: set[int] = self.__dict__.setdefault("said", set())
        sequence: int = message.sequence  # type: ignore[union-attr]
        is_new = sequence not in said
        said.add(sequence)
        return is_new or type(message).__name__ == "Welcome"


def with_scheduler(scheduler: type[Scheduler]) -> Callable[[str], PushStrategy]:
    class WithScheduler(PushStrategy):
        async def start(self, context: StrategyContext) -> None:
            await super().start(context)
            self._scheduler.__class__ = scheduler

    return lambda url: WithScheduler(PushOptions(url=url))


# Workers


class SilentOutbox(Outbox):
    """Says what it has once."""

    def say_all_again(self) -> None:
        pass

    def due_at(self) -> float | None:
        return 0.0 if self._unsaid else None

    def _expire(self, now: float) -> None:
        pass


class Silent(WorkerAgent):
    """Hands in its results once."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self._state._outbox = SilentOutbox()


def storage_of(storage: type[MemoryStorage]) -> Callable[[], MemoryStorage]:
    return lambda: storage("memory://", StorageOptions())


BROKEN: dict[str, tuple[int, dict[str, object]]] = {
    "unfenced": (4, {"storage": storage_of(Unfenced)}),
    "fickle": (0, {"storage": storage_of(Fickle)}),
    "doubling": (0, {"storage": storage_of(Doubling)}),
    "punctual": (51, {"dispatcher": with_ledger(Punctual)}),
    "lenient": (5, {"dispatcher": with_ledger(Lenient)}),
    "idle": (30, {"dispatcher": Idle}),
    "forgetful": (16, {"strategy": with_scheduler(Forgetful)}),
    "mumbling": (0, {"strategy": with_scheduler(Mumbling)}),
    "silent": (6, {"agent": Silent}),
}
"""What is broken, and a history that has shown it."""


@pytest.mark.parametrize("name", BROKEN)
def test_a_history_shows_what_is_broken(name: str) -> None:
    first, parts = BROKEN[name]
    machinery = replace(Machinery.of(Plugins.select(["push"])), **parts)  # type: ignore[arg-type]
    seeds = range(first, first + SOON)
    assert any(simulate(seed, machinery).broken for seed in seeds), f"{SOON} histories, and nothing was seen"
