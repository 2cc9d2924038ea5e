"""The base of dispatch strategies to whose ZMQ socket workers connect: the shell around a machine that decides.

What happens goes into the machine with the monotonic time, and what it asks for is done. Who asks first, and so how
words find their way to a worker, is all that such strategies differ in.
"""

import asyncio
import logging
import time
from abc import abstractmethod
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import ClassVar, Generic, Protocol, TypeAlias, TypeVar

from mpcsfaas import wire
from mpcsfaas.complaints import Complaints
from mpcsfaas.curve import owner_of
from mpcsfaas.errors import InvalidFrame
from mpcsfaas.interfaces import Assignment, DispatchStrategy, PluginOptions, Rejections, StrategyContext
from mpcsfaas.model import AttemptKey, WorkerInfo
from mpcsfaas.scheduling import Adopt, GiveBack, Grow, Lose, Policy, Report, Scheduler, Session
from mpcsfaas.sockets import Doorway, ListeningOptions

log = logging.getLogger(__name__)

TICK_SECONDS = 0.5

Word = TypeVar("Word")
SaidWord = TypeVar("SaidWord", covariant=True)
Deed: TypeAlias = Report | Adopt | GiveBack | Lose | Grow
"""What machines ask for beside words to workers."""


class Machine(Protocol[SaidWord]):
    """A `Scheduler`, or what stands before one. Its actions are deeds, and words of its own kind."""

    def capacity(self) -> int:
        """How many more attempts are wanted."""

    def labels(self) -> list[frozenset[str]]:
        """The label set of each group of workers with room."""

    def sessions(self) -> Collection[Session]:
        """Every registered worker."""

    def dispatch(self, assignments: Sequence[Assignment], now: float) -> Sequence[SaidWord | Deed]:
        """Take over attempts."""

    def cancel(self, keys: Sequence[AttemptKey], now: float) -> Sequence[SaidWord | Deed]:
        """Attempts are no longer wanted."""

    def adopted(self, worker_id: str, keys: Collection[AttemptKey], now: float) -> Sequence[SaidWord | Deed]:
        """The answer to `Adopt`."""

    def tick(self, now: float) -> Sequence[SaidWord | Deed]:
        """Time passed."""


class ListeningStrategy(DispatchStrategy, Generic[Word]):
    """A strategy with a ROUTER. `Word` is the action by which its machine has something said."""

    Options: ClassVar[type[PluginOptions]] = ListeningOptions
    tick_seconds: ClassVar[float] = TICK_SECONDS
    """Longest pause between ticks of the machine."""
    policy: Policy = Policy.MOST_FREE
    """Which worker gets the next task."""

    def __init__(self, options: ListeningOptions) -> None:
        super().__init__(options)
        self._url = options.listening_url
        self._keyring = options.keyring(self._url)
        self._channel: Doorway | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._adoptions: set[asyncio.Task[None]] = set()
        self.malformed = 0
        """Frames that were no messages, and were dropped."""
        self._complaints = Complaints(log)

    # What a strategy adds

    @abstractmethod
    def make_machine(self, scheduler: Scheduler) -> Machine[Word]:
        """The machine, made of a new scheduler."""

    @abstractmethod
    def envelope(self, message: list[bytes]) -> list[bytes]:
        """The parts of a message that say where it is from, and with which an answer begins."""

    @abstractmethod
    def heard(self, message: list[bytes], owner: str) -> None:
        """A message came in. The ids of all workers that it may speak for begin with `owner`."""

    @abstractmethod
    def say(self, word: Word) -> None:
        """Have something said."""

    @abstractmethod
    def evict(self, worker_ids: Collection[str]) -> None:
        """Have the machine lose these workers: they are no longer admitted."""

    @abstractmethod
    async def say_farewell(self) -> None:
        """The strategy stops: say what is to be said yet."""

    # What the dispatcher asks

    async def start(self, context: StrategyContext) -> None:
        """Listen for workers."""
        self._context = context
        self.loop = asyncio.get_running_loop()
        detector = context.detector()
        # Microseconds of the clock: over every order of a dispatcher before, as none gives a million orders a second.
        scheduler = Scheduler(context.dispatcher_id, detector, time.time_ns() // 1000, self.policy)
        self._machine = self.make_machine(scheduler)
        self._pause = min(self.tick_seconds, detector.interval / 2)
        if self._keyring:
            self._keyring.allow_list.on_removal = self._evict_owners
        self._channel = Doorway(self._heard, self._keyring)
        try:
            self._address = self._channel.bind(self._url)
        except BaseException:
            await self.stop()
            raise
        log.info("Listening for workers on %s.", self._address)
        self._tick()

    def worker_url(self) -> str | None:
        """Where it listens."""
        return self._address if self._channel else None

    def capacity(self) -> int:
        """What the workers have room for."""
        return self._machine.capacity()

    def labels(self) -> list[frozenset[str]]:
        """Of the workers with room."""
        return self._machine.labels()

    def dispatch(self, assignments: Sequence[Assignment]) -> None:
        """Give attempts to workers."""
        self.act(self._machine.dispatch(assignments, time.monotonic()))

    def cancel(self, keys: Sequence[AttemptKey]) -> None:
        """Have workers kill these."""
        self.act(self._machine.cancel(keys, time.monotonic()))

    def workers(self) -> list[WorkerInfo]:
        """Every registered worker."""
        offset = time.time() - time.monotonic()
        return [session.info(offset) for session in self._machine.sessions()]

    def rejections(self) -> Rejections:
        """Malformed frames, and who was refused at the door."""
        return Rejections(self.malformed, self._channel.refused if self._channel else 0)

    async def stop(self) -> None:
        """Say what is to be said yet, and close. Workers go on with what they run, and look for another dispatcher."""
        if self._channel:
            await self.say_farewell()
        channel, self._channel = self._channel, None
        if self._timer:
            self._timer.cancel()
        for adoption in self._adoptions:
            adoption.cancel()
        if channel:
            await channel.close()

    # What happens

    def _heard(self, message: list[bytes], key: str) -> None:
        owner = self._owner(key)
        if owner is None:  # It was connected when its key was revoked.
            self.send(self.envelope(message), [wire.encode(wire.Refused("Its key is no longer admitted."))])
        else:
            self.heard(message, owner)

    def _owner(self, key: str) -> str | None:
        """What ids of workers with this key begin with; None if it is not admitted."""
        if self._keyring is None:
            return ""
        name = self._keyring.allow_list.name_of(key)
        return None if name is None else owner_of(name)

    def understood(self, frames: Iterable[bytes], owner: str) -> Iterator[wire.FromWorker]:
        """The messages in these frames that a worker of this owner may say."""
        for frame in frames:
            try:
                yield _by_owner(wire.decode_from_worker(frame), owner)
            except InvalidFrame as error:
                self.complain(error, 1)

    def complain(self, error: InvalidFrame, frames: int) -> None:
        """Count frames that are dropped, and log it now and then."""
        self.malformed += frames
        self._complaints.warn("Frames dropped so far: %d. The latest: %s", self.malformed, error)

    def _tick(self) -> None:
        if self._keyring:
            self._keyring.allow_list.look()
        self.act(self._machine.tick(time.monotonic()))
        self._timer = self.loop.call_later(self._pause, self._tick)

    def _evict_owners(self, names: Iterable[str]) -> None:
        owners = tuple(map(owner_of, names))
        ids = [session.hello.worker_id for session in self._machine.sessions()]
        revoked = [worker_id for worker_id in ids if worker_id.startswith(owners)]
        if revoked:
            log.warning("Evicting %s: the key is no longer admitted.", ", ".join(revoked))
            self.evict(revoked)

    # What is done

    def act(self, actions: Iterable[Word | Deed]) -> None:
        """Do what the machine asks for."""
        for action in actions:
            match action:
                case Report(results):
                    self._context.report(results)
                case Grow():
                    self._context.capacity_changed()
                case Adopt(worker_id, keys):
                    self._adopt_soon(worker_id, keys)
                case GiveBack(keys):
                    self._context.give_back(keys)
                case Lose(worker_id, attempts):
                    log.warning("Worker %s was lost with %d attempts.", worker_id, attempts)
                case _:
                    self.say(action)

    def send(self, route: Iterable[bytes], frames: Iterable[bytes]) -> None:
        """Send one message, if anybody is there who takes it."""
        if self._channel:
            self._channel.send([*route, *frames])

    def _adopt_soon(self, worker_id: str, keys: Sequence[AttemptKey]) -> None:
        task = self.loop.create_task(self._adopt(worker_id, keys))
        self._adoptions.add(task)
        task.add_done_callback(self._adoptions.discard)

    async def _adopt(self, worker_id: str, keys: Sequence[AttemptKey]) -> None:
        ours = await self._context.adopt(keys)
        self.act(self._machine.adopted(worker_id, ours, time.monotonic()))


def _by_owner(message: wire.FromWorker, owner: str) -> wire.FromWorker:
    """The message. Raises `InvalidFrame` if it speaks for a worker that is not the owner's."""
    speaker = message.worker_id
    if not owner:
        return message
    if not speaker.startswith(owner):
        raise InvalidFrame(f"A worker with the key {owner[:-1]!r} spoke as {speaker!r}.")
    if isinstance(message, wire.Results) and any(result.worker != speaker for result in message.results):
        raise InvalidFrame(f"Worker {speaker!r} handed in results of another.")
    return message
