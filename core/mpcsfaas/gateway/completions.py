"""One follower of the feed of ended tasks, for everybody in this process who waits for one.

The follower runs while somebody waits, and a little longer, as the next one to wait is often near. It tells waiters and
streams *that* something ended; they read the storage themselves, so what is held here is small, and nothing is lost
when a hint is dropped.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncGenerator, Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from mpcsfaas.errors import StorageUnavailable
from mpcsfaas.gateway import problems
from mpcsfaas.interfaces import Storage
from mpcsfaas.interfaces.storage import Completion

logger = logging.getLogger("mpcsfaas.gateway")

FEED_CHUNK = 1000
REPLAY_CHUNK = 256
"""What is read at once of the past, and held for as long as its reader takes."""
BACKLOG = 10_000
IDLE_WAIT = 5.0
LINGER = 5.0
"""Seconds for which the follower goes on without anybody who waits."""
RETRY_DELAY = 0.5

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Subscription:
    """Completions of one group that a stream has yet to take; bounded, so that a slow reader costs little.

    While it lags nothing is kept: the reader goes on from the storage, after a `join`.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._items: deque[Completion] = deque()
        self._changed = asyncio.Event()
        self.lagging = True

    def join(self) -> None:
        """Keep completions from now on. The reader must look into the storage once more after this."""
        self.lagging = False

    def push(self, completion: Completion) -> None:
        """Keep one more; over the limit, drop them all and lag."""
        if self.lagging:
            return
        self._items.append(completion)
        if len(self._items) > self._limit:
            self._items.clear()
            self.lagging = True
        self._changed.set()

    def wake(self) -> None:
        """Let a pending `changed` return."""
        self._changed.set()

    async def changed(self, timeout: float) -> bool:
        """Wait up to `timeout` seconds for anything new; False if nothing came."""
        try:
            async with asyncio.timeout(timeout):
                await self._changed.wait()
        except TimeoutError:
            return False
        self._changed.clear()
        return True

    def take(self, after: int) -> list[Completion]:
        """What was kept, less what the reader has had up to sequence `after`."""
        items = [item for item in self._items if item.sequence > after]
        self._items.clear()
        return items


class Hub:
    """Everybody in this process who waits for the end of tasks, and the follower that wakes them."""

    def __init__(self, storage: Storage, chunk: int = FEED_CHUNK, backlog: int = BACKLOG) -> None:
        """`chunk` bounds what is read of the feed at once, `backlog` what is kept for each stream."""
        self._storage = storage
        self._chunk = chunk
        self._replay = min(chunk, REPLAY_CHUNK)
        self._backlog = backlog
        self._watches: dict[str, set[asyncio.Event]] = {}
        self._subscriptions: dict[str | None, set[Subscription]] = {}
        self._follower: asyncio.Task[None] | None = None
        self._position: asyncio.Future[int] | None = None
        self._asked_for_at = 0.0
        self.closed = False

    @property
    def audience(self) -> int:
        """How many waits and streams there are."""
        registries = (self._watches, self._subscriptions)
        return sum(len(members) for registry in registries for members in registry.values())

    @property
    def is_following(self) -> bool:
        """True while there is a follower."""
        return self._follower is not None

    def end(self) -> None:
        """End every wait and stream, now and from now on. Idempotent."""
        self.closed = True
        for events in self._watches.values():
            for event in events:
                event.set()
        for subscriptions in self._subscriptions.values():
            for subscription in subscriptions:
                subscription.wake()

    async def close(self) -> None:
        """`end`, and stop following. Idempotent."""
        self.end()
        follower, position = self._follower, self._position
        if follower is None or position is None:
            return
        follower.cancel()
        await asyncio.gather(follower, return_exceptions=True)
        if not position.done():
            _fail(position, problems.shutting_down())

    @contextmanager
    def watch(self, *task_ids: str) -> Iterator[asyncio.Event]:
        """An event that is set once one of the tasks ends, or the hub closes.

        Wait for `following`, look into the storage, and only then wait for the event; so nothing is missed.
        """
        event = asyncio.Event()
        with _registered(self._watches, task_ids, event):
            yield event

    async def following(self) -> None:
        """Return once everything that ends from now on is reported. Raises `StorageUnavailable`, or a 503 `Problem`."""
        if self.closed:
            raise problems.shutting_down()
        loop = asyncio.get_running_loop()
        self._asked_for_at = loop.time()
        if self._position is None:
            self._position = loop.create_future()
            self._follower = asyncio.create_task(self._follow(self._position))
        if not self._position.done():
            await asyncio.shield(self._position)

    async def feed(self, group: str, after: int, heartbeat: float) -> AsyncGenerator[Sequence[Completion], None]:
        """A group's completions with a sequence over `after`: each once, in order, as they happen.

        An empty item says that nothing came for `heartbeat` seconds. Ends when the hub closes. Raises as `following`;
        to go on later, pass the last sequence received.
        """
        subscription = Subscription(self._backlog)
        with _registered(self._subscriptions, [group], subscription):
            while not self.closed:
                await self.following()
                if subscription.lagging:
                    subscription.join()
                    while not self.closed and (chunk := await self._storage.completions(after, self._replay, group)):
                        after = chunk[-1].sequence
                        yield chunk
                changed = await subscription.changed(heartbeat)
                if chunk := subscription.take(after):
                    after = chunk[-1].sequence
                if chunk or not changed:
                    yield chunk

    async def _follow(self, position: asyncio.Future[int]) -> None:
        try:
            after = await self._storage.latest_completion()
            position.set_result(after)
            while self._is_wanted():
                after = await self._advance(after)
        except Exception as error:
            _fail(position, error)
        finally:
            self._position = self._follower = None

    def _is_wanted(self) -> bool:
        lingers = asyncio.get_running_loop().time() < self._asked_for_at + LINGER
        return bool(self._watches or self._subscriptions) or lingers

    async def _advance(self, after: int) -> int:
        try:
            completions = await self._storage.wait_for_completions(after, IDLE_WAIT, self._chunk)
        except Exception as error:
            # Whatever it is, those who wait depend on the follower's going on from where it was.
            logger.warning("Cannot follow completions, trying again: %s", error, exc_info=_unless_expected(error))
            await asyncio.sleep(RETRY_DELAY)
            return after
        self._announce(completions)
        return completions[-1].sequence if completions else after

    def _announce(self, completions: Sequence[Completion]) -> None:
        for completion in completions:
            for event in self._watches.get(completion.task_id, ()):
                event.set()
            for subscription in self._subscriptions.get(completion.group, ()):
                subscription.push(completion)


def _fail(position: asyncio.Future[int], error: Exception) -> None:
    position.set_exception(error)
    position.exception()  # Whoever waited may have given up, and then nobody asks for it.


def _unless_expected(error: Exception) -> Exception | None:
    return None if isinstance(error, StorageUnavailable) else error


@contextmanager
def _registered(registry: dict[K, set[V]], keys: Iterable[K], value: V) -> Iterator[None]:
    unique = set(keys)
    for key in unique:
        registry.setdefault(key, set()).add(value)
    try:
        yield
    finally:
        for key in unique:
            registry[key].discard(value)
            if not registry[key]:
                del registry[key]
