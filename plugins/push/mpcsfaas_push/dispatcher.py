"""The dispatcher's side: the scheduler speaks with its workers whenever it has something to say."""

import asyncio
import time
from collections.abc import Collection, Sequence
from typing import ClassVar

from mpcsfaas import wire
from mpcsfaas.interfaces import PluginOptions, WorkerLink
from mpcsfaas.listening import ListeningStrategy
from mpcsfaas.model import AttemptKey
from mpcsfaas.scheduling import Say, Scheduler
from mpcsfaas_push.options import PushOptions
from mpcsfaas_push.worker import PushLink

RECEIPT_SECONDS = 0.05
"""How long a receipt waits for something else to go with it: on their own, they are a third of all messages."""


class PushStrategy(ListeningStrategy[Say]):
    """Sends attempts to workers that connect over ZMQ, each as many as it wants to hold."""

    name: ClassVar[str] = "push"
    Options: ClassVar[type[PluginOptions]] = PushOptions
    worker_link: ClassVar[type[WorkerLink] | None] = PushLink

    def __init__(self, options: PushOptions) -> None:
        super().__init__(options)
        self.policy = options.policy
        self._flushing: asyncio.Handle | None = None
        self._mailing: asyncio.Handle | None = None
        self._unsent: dict[bytes, list[bytes]] = {}
        """Frames by worker."""
        self._urgent: dict[bytes, None] = {}
        """Workers to whom something was said that cannot wait."""

    def make_machine(self, scheduler: Scheduler) -> Scheduler:
        """The scheduler itself."""
        self._scheduler = scheduler
        return scheduler

    def settled(self, keys: Sequence[AttemptKey]) -> None:
        """Tell the workers who handed these in."""
        self.act(self._scheduler.settled(keys))

    def evict(self, worker_ids: Collection[str]) -> None:
        """They hear of it when they speak next."""
        self.act(self._scheduler.evict(worker_ids))

    def envelope(self, message: list[bytes]) -> list[bytes]:
        """The worker's route."""
        return message[:1]

    def heard(self, message: list[bytes], owner: str) -> None:
        """A worker's route, and what it says."""
        route, *frames = message
        for said in self.understood(frames, owner):
            self.act(self._scheduler.hear(route, said, time.monotonic()))

    def say(self, word: Say) -> None:
        """Soon, together with whatever else is said to the same worker by then."""
        frames = self._unsent.setdefault(word.route, [])
        for message in word.messages:
            frames.append(wire.encode(message, word.version))
        if all(isinstance(message, wire.Settled) for message in word.messages):
            self._mailing = self._mailing or self.loop.call_later(RECEIPT_SECONDS, self._send_all)
            return
        self._urgent[word.route] = None
        self._flushing = self._flushing or self.loop.call_soon(self._flush)

    async def say_farewell(self) -> None:
        """Send everything at once."""
        self.act(self._scheduler.farewell())
        for handle in filter(None, (self._flushing, self._mailing)):
            handle.cancel()
        self._send_all()

    def _flush(self) -> None:
        """What cannot wait, and with it whatever else was said to the same workers."""
        self._flushing = None
        urgent, self._urgent = self._urgent, {}
        for route in urgent:
            self.send((route,), self._unsent.pop(route))

    def _send_all(self) -> None:
        self._mailing = None
        self._urgent.clear()
        unsent, self._unsent = self._unsent, {}
        for route, frames in unsent.items():
            self.send((route,), frames)
