"""The dispatcher's side: a ROUTER, through which the scheduler speaks with its workers."""

import asyncio
import logging
import time
from collections.abc import Coroutine, Iterable, Sequence
from typing import Any, ClassVar

import zmq

from mpcsfaas import wire
from mpcsfaas.errors import InvalidFrame
from mpcsfaas.interfaces import Assignment, DispatchStrategy, PluginOptions, StrategyContext, WorkerLink
from mpcsfaas.model import AttemptKey, WorkerInfo
from mpcsfaas.scheduling import Action, Adopt, GiveBack, Grow, Lose, Report, Say, Scheduler
from mpcsfaas.sockets import Channel
from mpcsfaas_push.options import PushOptions
from mpcsfaas_push.worker import PushLink

log = logging.getLogger(__name__)

RECEIPT_SECONDS = 0.05
"""How long a receipt waits for something else to go with it: on their own, they are a third of all messages."""
COMPLAINT_SECONDS = 10.0
"""Least pause between log lines about bad frames."""


class PushStrategy(DispatchStrategy):
    """Sends attempts to workers that connect over ZMQ, each as many as it wants to hold."""

    name: ClassVar[str] = "push"
    Options: ClassVar[type[PluginOptions]] = PushOptions
    worker_link: ClassVar[type[WorkerLink] | None] = PushLink

    def __init__(self, options: PushOptions) -> None:
        super().__init__(options)
        self._options = options
        self._url = options.listening_url
        self._channel: Channel | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._flushing: asyncio.Handle | None = None
        self._mailing: asyncio.Handle | None = None
        self._unsent: dict[bytes, list[bytes]] = {}
        """Frames by worker."""
        self._urgent: dict[bytes, None] = {}
        """Workers to whom something was said that cannot wait."""
        self._adoptions: set[asyncio.Task[None]] = set()
        self.malformed = 0
        """Frames that were no messages, and were dropped."""
        self._complained_at = -COMPLAINT_SECONDS

    async def start(self, context: StrategyContext) -> None:
        """Listen for workers."""
        self._context = context
        detector = context.detector()
        # Microseconds of the clock: over every order of a dispatcher before, as none gives a million orders a second.
        sequence = time.time_ns() // 1000
        self._scheduler = Scheduler(context.dispatcher_id, detector, sequence, self._options.policy)
        self._loop = asyncio.get_running_loop()
        self._tick_seconds = detector.interval / 2
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
        """What the workers have room for."""
        return self._scheduler.capacity()

    def labels(self) -> list[frozenset[str]]:
        """Of the workers with room."""
        return self._scheduler.labels()

    def dispatch(self, assignments: Sequence[Assignment]) -> None:
        """Send attempts to workers."""
        self._act(self._scheduler.dispatch(assignments, time.monotonic()))

    def cancel(self, keys: Sequence[AttemptKey]) -> None:
        """Have workers kill these."""
        self._act(self._scheduler.cancel(keys, time.monotonic()))

    def settled(self, keys: Sequence[AttemptKey]) -> None:
        """Tell the workers who handed these in."""
        self._act(self._scheduler.settled(keys))

    def workers(self) -> list[WorkerInfo]:
        """Every registered worker."""
        offset = time.time() - time.monotonic()
        return [session.info(offset) for session in self._scheduler.sessions()]

    async def stop(self) -> None:
        """Send what was said last, and close. Workers go on with what they run, and look for another dispatcher."""
        for handle in filter(None, (self._timer, self._flushing, self._mailing)):
            handle.cancel()
        for adoption in self._adoptions:
            adoption.cancel()
        if self._channel:
            self._act(self._scheduler.farewell())
            self._send_all()
            channel, self._channel = self._channel, None
            await channel.close()

    # What happens

    def _heard(self, message: list[bytes]) -> None:
        route, *frames = message
        for frame in frames:
            try:
                said = wire.decode_from_worker(frame)
            except InvalidFrame as error:
                self._complain(error)
            else:
                self._act(self._scheduler.hear(route, said, time.monotonic()))

    def _complain(self, error: InvalidFrame) -> None:
        self.malformed += 1
        if time.monotonic() >= self._complained_at + COMPLAINT_SECONDS:
            self._complained_at = time.monotonic()
            log.warning("Frames dropped so far: %d. The latest: %s", self.malformed, error)

    def _on_tick(self) -> None:
        self._act(self._scheduler.tick(time.monotonic()))
        self._timer = self._loop.call_later(self._tick_seconds, self._on_tick)

    # What is done

    def _act(self, actions: Iterable[Action]) -> None:
        for action in actions:
            match action:
                case Say():
                    self._say(action)
                case Report(results):
                    self._context.report(results)
                case Grow():
                    self._context.capacity_changed()
                case Adopt(worker_id, keys):
                    self._in_background(self._adopt(worker_id, keys))
                case GiveBack(keys):
                    self._context.give_back(keys)
                case Lose(worker_id, attempts):
                    log.warning("Worker %s was lost with %d attempts.", worker_id, attempts)

    def _say(self, say: Say) -> None:
        frames = self._unsent.setdefault(say.route, [])
        for message in say.messages:
            frames.append(wire.encode(message, say.version))
        if all(isinstance(message, wire.Settled) for message in say.messages):
            self._mailing = self._mailing or self._loop.call_later(RECEIPT_SECONDS, self._send_all)
            return
        self._urgent[say.route] = None
        self._flushing = self._flushing or self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        """What cannot wait, and with it whatever else was said to the same workers."""
        self._flushing = None
        urgent, self._urgent = self._urgent, {}
        for route in urgent:
            self._send(route, self._unsent.pop(route))

    def _send_all(self) -> None:
        self._mailing = None
        self._urgent.clear()
        unsent, self._unsent = self._unsent, {}
        for route, frames in unsent.items():
            self._send(route, frames)

    def _send(self, route: bytes, frames: Sequence[bytes]) -> None:
        if self._channel:
            self._channel.send([route, *frames])

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._adoptions.add(task)
        task.add_done_callback(self._adoptions.discard)

    async def _adopt(self, worker_id: str, keys: Sequence[AttemptKey]) -> None:
        ours = await self._context.adopt(keys)
        self._act(self._scheduler.adopted(worker_id, ours, time.monotonic()))
