"""The worker agent: a process pool, and a link to a dispatcher through which it gets its attempts.

It never runs user code, so its heartbeats come from an event loop that no task can hold up.
"""

import asyncio
import logging
import os
import platform
import socket
import time
import uuid
from collections.abc import Callable, Sequence
from typing import Any

from mpcsfaas import __version__, wire
from mpcsfaas.complaints import Complaints
from mpcsfaas.errors import InvalidFrame, MpcsfaasError
from mpcsfaas.interfaces import PluginOptions, Serializer, WorkerLink
from mpcsfaas.model import AttemptKey, AttemptResult
from mpcsfaas.wire import Hello
from mpcsfaas.worker.agent_options import AgentOptions
from mpcsfaas.worker.agent_state import AgentState, End, Stop, Submit
from mpcsfaas.worker.pool import ProcessPool

log = logging.getLogger(__name__)

GOODBYE_SECONDS = 1.0
"""How long a worker that leaves waits for a dispatcher that does not let it go."""


class WorkerAgent:
    """One worker, a `LinkedAgent`. Run it with `run`; end it with `drain` (finishes what runs) or `stop`."""

    def __init__(
        self,
        options: AgentOptions,
        link: type[WorkerLink],
        link_options: PluginOptions,
        serializers: Sequence[Serializer],
    ) -> None:
        """`link_options` are the strategy's. Raises `SettingsError` for a URL that the link cannot use."""
        self._options = options
        self._link = link(options.url, link_options, self)
        self._hello = _hello(options, self._link.owner)
        self._state = AgentState(self._hello)
        self._pool = ProcessPool(
            options, serializers, self._on_results, self._wake, self.worker_id, give_back=self._on_given_back
        )
        self._timer: asyncio.TimerHandle | None = None
        self._linked = False
        self._ended = asyncio.Event()
        self._refusal: str | None = None
        self._defect: BaseException | None = None
        self._obstacle: MpcsfaasError | None = None
        self.malformed = 0
        """Frames from the dispatcher that were no messages, and were dropped."""
        self._complaints = Complaints(log)

    @property
    def worker_id(self) -> str:
        """Of this run of the worker."""
        return self._hello.worker_id

    async def run(self, started: Callable[[], None]) -> None:
        """Work until `drain` is done or `stop` is called; `started` is called once, when everything is up.

        Raises `MpcsfaasError` when the pool or the link cannot start, when the dispatcher refuses this worker, or when
        something went wrong that nobody foresaw.
        """
        asyncio.get_running_loop().set_exception_handler(self._on_defect)
        try:
            await self._pool.start()
            await self._link.start()
            self._linked = True
            self._wake()
            started()
            await self._ended.wait()
        finally:
            self._ended.set()
            if self._timer:
                self._timer.cancel()
            await self._link.stop()
            await self._pool.stop()
        if self._refusal is not None:
            raise MpcsfaasError(f"The dispatcher at {self._options.url} refuses this worker. {self._refusal}")
        if self._obstacle is not None:
            raise self._obstacle
        if self._defect is not None:
            raise MpcsfaasError(
                f"The worker ended by a defect: {self._defect!r}. Start it again; what it held runs elsewhere."
            ) from self._defect

    def drain(self) -> None:
        """Take no more attempts; finish those at hand and have them settled, at most for `drain_timeout`; then end."""
        self._state.leave()
        asyncio.get_running_loop().call_later(self._options.drain_timeout, self._give_up)
        asyncio.get_running_loop().call_later(GOODBYE_SECONDS, self._hurry)
        self._wake()

    def stop(self) -> None:
        """End at once: what runs is killed, and the dispatcher will find it lost. Idempotent."""
        self._ended.set()

    # What the link asks

    def outgoing(self) -> list[bytes]:
        """See `LinkedAgent`."""
        self._take_stock()
        frames = [wire.encode(message, self._state.version) for message in self._state.outgoing(time.monotonic())]
        self._set_timer()
        return frames

    def fetch(self, wait: float) -> bytes | None:
        """See `LinkedAgent`."""
        self._take_stock()
        message = self._state.fetch(wait)
        return None if message is None else wire.encode(message, self._state.version)

    def receive(self, frames: Sequence[bytes | memoryview]) -> None:
        """See `LinkedAgent`."""
        for frame in frames:
            try:
                self._hear(wire.decode_from_dispatcher(frame))
            except InvalidFrame as error:
                self._complain(error)
        self._wake()

    def _hear(self, message: wire.FromDispatcher) -> None:
        for action in self._state.receive(message):
            match action:
                case Submit(assignments):
                    self._pool.submit(assignments)
                case Stop(keys):
                    self._pool.cancel(keys)
                case End(reason):
                    self._refusal = reason
                    self._ended.set()

    def _complain(self, error: InvalidFrame) -> None:
        self.malformed += 1
        self._complaints.warn("Frames dropped so far: %d. The latest: %s", self.malformed, error)

    def _on_defect(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """An error in a callback has left something half done: going on, we might hold attempts for ever."""
        error = context.get("exception")
        if isinstance(error, MpcsfaasError):
            self._obstacle = error
            self._ended.set()
            return
        loop.default_exception_handler(context)
        if error is not None:
            self._defect = self._defect or error
            self._ended.set()

    # What the pool says, and the clock

    def _on_results(self, results: Sequence[AttemptResult]) -> None:
        self._state.finish(results)
        self._wake()

    def _on_given_back(self, keys: Sequence[AttemptKey]) -> None:
        self._state.give_back(keys)
        self._wake()

    def _take_stock(self) -> None:
        self._state.stand(self._pool.busy(), min(self._pool.capacity() + self._state.running, wire.MAX_ITEMS))

    def _wake(self) -> None:
        """Something changed, or its time has come."""
        if self._state.gone:
            self._ended.set()
        elif self._linked and not self._ended.is_set():
            self._link.wake()

    def _set_timer(self) -> None:
        if self._timer:
            self._timer.cancel()
        delay = max(0.0, self._state.wake_at() - time.monotonic())
        self._timer = asyncio.get_running_loop().call_later(delay, self._wake)

    def _hurry(self) -> None:
        self._state.hurried = True
        self._wake()

    def _give_up(self) -> None:
        if not self._ended.is_set():
            log.warning("%d attempts are not finished and received after the drain timeout.", len(self._state.held))
            self._ended.set()


def _hello(options: AgentOptions, owner: str) -> Hello:
    host = socket.gethostname()
    return Hello(
        worker_id=f"{owner}{host[:150]}-{os.getpid()}-{uuid.uuid4().hex[:8]}",
        host=host,
        pid=os.getpid(),
        slots=options.workers,
        window=options.workers,
        labels=tuple(dict.fromkeys(options.labels)),
        python_version=platform.python_version(),
        software_version=__version__,
    )
