"""The dispatcher's side: the request of a worker's REQ is left unanswered until there is something to say."""

import asyncio
import time
from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import ClassVar

from mpcsfaas import wire
from mpcsfaas.errors import InvalidFrame
from mpcsfaas.interfaces import WorkerLink
from mpcsfaas.listening import ListeningStrategy
from mpcsfaas.model import AttemptKey
from mpcsfaas.scheduling import Scheduler
from mpcsfaas_pull.broker import BEAT_SECONDS, Broker
from mpcsfaas_pull.desk import Reply
from mpcsfaas_pull.worker import PullLink

POLL_SECONDS = 0.02


class PullStrategy(ListeningStrategy[Reply]):
    """Gives attempts to workers that ask for them over ZMQ, each as many as it wants."""

    name: ClassVar[str] = "pull"
    worker_link: ClassVar[type[WorkerLink] | None] = PullLink
    tick_seconds: ClassVar[float] = 0.25

    def make_machine(self, scheduler: Scheduler) -> Broker:
        """A broker before the scheduler."""
        self._broker = Broker(scheduler)
        return self._broker

    def settled(self, keys: Sequence[AttemptKey]) -> None:
        """Tell the workers who handed these in, in the answer to their next report."""
        self.act(self._broker.settled(keys, time.monotonic()))

    def evict(self, worker_ids: Collection[str]) -> None:
        """They hear of it in the answers to their fetches."""
        self.act(self._broker.evict(worker_ids, time.monotonic()))

    def envelope(self, message: list[bytes]) -> list[bytes]:
        """What ends with an empty part; of a message without one, nothing."""
        return message[: message.index(b"", 1) + 1] if b"" in message[1:] else []

    def heard(self, message: list[bytes], owner: str) -> None:
        """A request: an envelope, and frames."""
        envelope = self.envelope(message)
        if not envelope:
            self.complain(InvalidFrame("A request has no envelope."), len(message) - 1)
            return
        said = list(self.understood(message[len(envelope) :], owner))
        self.act(self._broker.request(tuple(envelope), said, time.monotonic()))

    def say(self, word: Reply) -> None:
        """Answer at once."""
        self.send(word.source, [wire.encode(message, word.version) for message in word.messages])

    async def say_farewell(self) -> None:
        """Workers that fetch nothing learn that their last results are safe in the answer to their next beat."""
        with suppress(TimeoutError):
            async with asyncio.timeout(2 * BEAT_SECONDS):
                while self._broker.owes_words:  # noqa: ASYNC110 - The broker is pure, and tells nobody.
                    await asyncio.sleep(POLL_SECONDS)
        self.act(self._broker.farewell(time.monotonic()))
