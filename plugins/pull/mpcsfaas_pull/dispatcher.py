"""The dispatcher's side: a ROUTER, which can leave the request of a REQ unanswered until there is something to say."""

import asyncio
import logging
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import ClassVar

import zmq

from mpcsfaas import wire
from mpcsfaas.errors import InvalidFrame
from mpcsfaas.interfaces import Assignment, DispatchStrategy, PluginOptions, StrategyContext, WorkerLink
from mpcsfaas.model import AttemptKey, WorkerInfo
from mpcsfaas.scheduling import Adopt, GiveBack, Grow, Lose, Report, Scheduler
from mpcsfaas.sockets import Channel, ListeningOptions
from mpcsfaas_pull.broker import BEAT_SECONDS, Action, Broker
from mpcsfaas_pull.desk import Reply
from mpcsfaas_pull.worker import PullLink

log = logging.getLogger(__name__)

COMPLAINT_SECONDS = 10.0
"""Least pause between log lines about bad frames."""
TICK_SECONDS = 0.25
POLL_SECONDS = 0.02


class PullStrategy(DispatchStrategy):
    """Gives attempts to workers that ask for them over ZMQ, each as many as it wants."""

    name: ClassVar[str] = "pull"
    Options: ClassVar[type[PluginOptions]] = ListeningOptions
    worker_link: ClassVar[type[WorkerLink] | None] = PullLink

    def __init__(self, options: ListeningOptions) -> None:
        super().__init__(options)
        self._url = options.listening_url
        self._channel: Channel | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._adoptions: set[asyncio.Task[None]] = set()
        self.malformed = 0
        """Frames that were no messages, and were dropped."""
        self._complained_at = -COMPLAINT_SECONDS

    async def start(self, context: StrategyContext) -> None:
        """Listen for workers."""
        self._context = context
        detector = context.detector()
        # Microseconds of the clock: over every order of a dispatcher before, as none gives a million orders a second.
        self._broker = Broker(Scheduler(context.dispatcher_id, detector, time.time_ns() // 1000))
        self._loop = asyncio.get_running_loop()
        self._tick_seconds = min(TICK_SECONDS, detector.interval / 2)
        self._channel = Channel(zmq.ROUTER, self._heard, lambda: None)
        try:
            self._address = self._channel.bind(self._url)
        except BaseException:
            await self.stop()
            raise
        log.info("Listening for workers on %s.", self._address)
        self._on_tick()

    def worker_url(self) -> str | None:
        """Where it listens."""
        return self._address if self._channel else None

    def capacity(self) -> int:
        """What the parked fetches want."""
        return self._broker.capacity()

    def labels(self) -> list[frozenset[str]]:
        """Of the workers that wait for attempts."""
        return self._broker.labels()

    def dispatch(self, assignments: Sequence[Assignment]) -> None:
        """Answer fetches with attempts."""
        self._act(self._broker.dispatch(assignments, time.monotonic()))

    def cancel(self, keys: Sequence[AttemptKey]) -> None:
        """Have workers kill these; they hear of it in the answer to their next request."""
        self._act(self._broker.cancel(keys, time.monotonic()))

    def settled(self, keys: Sequence[AttemptKey]) -> None:
        """Tell the workers who handed these in, in the answer to their next report."""
        self._act(self._broker.settled(keys, time.monotonic()))

    def workers(self) -> list[WorkerInfo]:
        """Every registered worker."""
        offset = time.time() - time.monotonic()
        return [session.info(offset) for session in self._broker.sessions()]

    async def stop(self) -> None:
        """Say what can be said yet, and close. Workers go on with what they run, and look for another dispatcher."""
        if self._channel:
            await self._hear_reports()
            self._act(self._broker.farewell(time.monotonic()))
        channel, self._channel = self._channel, None
        if self._timer:
            self._timer.cancel()
        for adoption in self._adoptions:
            adoption.cancel()
        if channel:
            await channel.close()

    async def _hear_reports(self) -> None:
        """Workers that fetch nothing learn that their last results are safe in the answer to their next beat."""
        with suppress(TimeoutError):
            async with asyncio.timeout(2 * BEAT_SECONDS):
                while self._broker.owes_words:  # noqa: ASYNC110 - The broker is pure, and tells nobody.
                    await asyncio.sleep(POLL_SECONDS)

    # What happens

    def _heard(self, message: list[bytes]) -> None:
        """A request: an envelope that ends with an empty part, and frames."""
        if b"" not in message[1:]:
            self._complain(InvalidFrame("A request has no envelope."), len(message) - 1)
            return
        end = message.index(b"", 1) + 1
        said = [heard for frame in message[end:] if (heard := self._decode(frame))]
        self._act(self._broker.request(tuple(message[:end]), said, time.monotonic()))

    def _decode(self, frame: bytes) -> wire.FromWorker | None:
        try:
            return wire.decode_from_worker(frame)
        except InvalidFrame as error:
            self._complain(error, 1)
            return None

    def _complain(self, error: InvalidFrame, frames: int) -> None:
        self.malformed += frames
        if time.monotonic() >= self._complained_at + COMPLAINT_SECONDS:
            self._complained_at = time.monotonic()
            log.warning("Frames dropped so far: %d. The latest: %s", self.malformed, error)

    def _on_tick(self) -> None:
        self._act(self._broker.tick(time.monotonic()))
        self._timer = self._loop.call_later(self._tick_seconds, self._on_tick)

    # What is done

    def _act(self, actions: Iterable[Action]) -> None:
        for action in actions:
            match action:
                case Reply():
                    self._reply(action)
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

    def _reply(self, reply: Reply) -> None:
        frames = [wire.encode(message, reply.version) for message in reply.messages]
        if self._channel:
            self._channel.send([*reply.source, *frames])

    def _adopt_soon(self, worker_id: str, keys: Sequence[AttemptKey]) -> None:
        task = self._loop.create_task(self._adopt(worker_id, keys))
        self._adoptions.add(task)
        task.add_done_callback(self._adoptions.discard)

    async def _adopt(self, worker_id: str, keys: Sequence[AttemptKey]) -> None:
        ours = await self._context.adopt(keys)
        self._act(self._broker.adopted(worker_id, ours, time.monotonic()))
