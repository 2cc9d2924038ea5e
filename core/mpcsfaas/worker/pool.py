"""A pool of child processes that run attempts: carries out what the slot table decides."""

import asyncio
import logging
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from itertools import count, groupby
from typing import Any

from msgspec.structs import replace

from mpcsfaas.errors import MpcsfaasError
from mpcsfaas.interfaces.serializer import Serializer
from mpcsfaas.interfaces.strategy import Assignment
from mpcsfaas.model import AttemptKey, AttemptResult
from mpcsfaas.worker import process_tree
from mpcsfaas.worker.actions import Action, GiveBack, Kill, Recall, Report, Send, Spawn
from mpcsfaas.worker.channel import Closed
from mpcsfaas.worker.environment import child_environment
from mpcsfaas.worker.exits import Cause, ChildExit
from mpcsfaas.worker.folders import PoolFolder
from mpcsfaas.worker.handles import ChildHandle, ForkServerHandle
from mpcsfaas.worker.messages import Done, Exited, FromChild, NeedFunction, Run, Setup
from mpcsfaas.worker.options import PoolOptions
from mpcsfaas.worker.serializers import import_paths
from mpcsfaas.worker.slots import SlotTable

log = logging.getLogger(__name__)

WATCH_SECONDS = 0.1
"""How often a busy pool looks at its children's output, memory and descendants."""


class ProcessPool:
    """Runs attempts in child processes, one a slot. For one event loop's own thread.

    `report` is called with outcomes in batches, `capacity_changed` when there may be room again; both may call back.
    `give_back`, if there is one, is called with attempts that have waited too long, and will not be reported.
    """

    def __init__(
        self,
        options: PoolOptions,
        serializers: Sequence[Serializer],
        report: Callable[[Sequence[AttemptResult]], None],
        capacity_changed: Callable[[], None],
        worker_id: str,
        give_back: Callable[[Sequence[AttemptKey]], None] | None = None,
    ) -> None:
        self._options = options
        self._report = report
        self._give_back = give_back
        self._capacity_changed = capacity_changed
        self._table = SlotTable(
            options.workers, options.prefetch, options.recycle_after, worker_id, gives_back=give_back is not None
        )
        self._setup = Setup(
            worker_id,
            import_paths(serializers),
            tuple(map(os.path.abspath, options.path)),
            options.limits,
            int(options.max_result),
            int(options.max_output),
        )
        self._server: ForkServerHandle | None = None
        self._children: dict[int, ChildHandle] = {}
        self._numbers = count(1)
        self._outcomes: list[AttemptResult] = []
        self._timer: asyncio.TimerHandle | None = None
        self._watch: asyncio.TimerHandle | None = None
        self._removals: set[asyncio.Future[None]] = set()
        self._folder: PoolFolder | None = None
        self._stopped = False
        self._wakes_at = 0.0
        self._processes_before = 0

    async def start(self) -> None:
        """Start the children and wait for the first to come up.

        Raises `MpcsfaasError` if it does not, `SettingsError` if the children cannot be whose and where they are to be.
        """
        self._loop = asyncio.get_running_loop()
        self._first = self._loop.create_future()
        self._setup = replace(self._setup, identity=self._options.identity())
        self._confinement = self._options.confinement()
        await asyncio.to_thread(self._confinement.check)
        self._folder = PoolFolder(passable=self._setup.identity is not None)
        self._processes_before = process_tree.count()
        self._act(self._table.start(time.monotonic()))
        try:
            await self._first
        except BaseException:
            await self.stop()
            raise

    def capacity(self) -> int:
        """How many more attempts are wanted now; never negative."""
        return 0 if self._stopped else self._table.capacity(time.monotonic())

    def busy(self) -> int:
        """Slots that run something."""
        return 0 if self._stopped else self._table.busy()

    def submit(self, assignments: Sequence[Assignment]) -> None:
        """Take over attempts; each is reported once, unless it is cancelled, given back, or the pool is stopped."""
        if self._stopped:
            return
        self._act(self._table.submit(assignments, time.monotonic()))
        if self._watch is None:
            self._watch = self._loop.call_later(WATCH_SECONDS, self._on_watch)

    def cancel(self, keys: Sequence[AttemptKey]) -> None:
        """Stop attempts, killing those that run. Unknown keys are ignored. They may still be reported."""
        if not self._stopped:
            self._act(self._table.cancel(keys))
            self._capacity_changed()

    async def stop(self) -> None:
        """Kill everything and wait until it is gone. Idempotent."""
        self._stopped = True
        for timer in filter(None, (self._timer, self._watch)):
            timer.cancel()
        for child in self._children.values():
            self._close_child(child)
        self._children.clear()
        await self._end_server()
        await asyncio.gather(*self._removals)
        if self._folder:
            await asyncio.to_thread(self._folder.remove)

    async def _end_server(self) -> None:
        server, self._server = self._server, None
        if server:
            self._unwatch(server.death, server.channel.fileno())
            await asyncio.to_thread(server.end)

    # Carrying out

    def _act(self, actions: Iterable[Action]) -> None:
        """Carry out actions, and those that follow from them, in order; then hand over what came of it."""
        pending = deque(actions)
        while pending:
            pending += self._carry_out(pending.popleft())
        self._set_timer()
        if self._outcomes:
            outcomes, self._outcomes = self._outcomes, []
            self._report(outcomes)

    def _carry_out(self, action: Action) -> Sequence[Action]:
        match action:
            case Send():
                self._send(action)
            case Report(results):
                self._outcomes += results
            case Recall(slot):
                return self._recall(slot)
            case Kill(slot):
                self._kill(slot)
            case Spawn(slot):
                self._spawn(slot)
            case GiveBack(keys):
                if self._give_back:
                    self._give_back(keys)
        return ()

    def _send(self, send: Send) -> None:
        task, function = send.assignment.attempt.task, send.assignment.function
        message = Run(
            task.id,
            send.assignment.attempt.number,
            function.id,
            task.payload,
            task.serializer,
            time.time(),
            function if send.with_function else None,
            task.options.traceparent,
            send.assignment.parents,
        )
        child = self._children[send.slot]
        child.put(message)
        self._flush(child)

    def _recall(self, slot: int) -> list[Action]:
        self._table.took_back(slot, self._children[slot].recall())
        return [*self._receive(slot), *self._table.recalled(slot, time.monotonic())]

    def _spawn(self, slot: int) -> None:
        try:
            server = self._server or self._start_server()
            child = self._new_child()
        except OSError as error:
            self._table.spawn_failed(slot, time.monotonic())
            self._tell_down(f"The system refuses it: {error}.")
            return
        self._children[slot] = child
        self._loop.add_reader(child.channel.fileno(), self._on_readable, slot)
        server.fork(child)
        self._flush(server)

    def _new_child(self) -> ChildHandle:
        assert self._folder is not None
        number = next(self._numbers)
        return ChildHandle(number, self._folder.new(number), self._options.max_output)

    def _start_server(self) -> ForkServerHandle:
        assert self._folder is not None
        environment = child_environment(os.environ, self._options.environment)
        self._server = server = ForkServerHandle(self._setup, environment, self._folder.path, self._confinement)
        self._loop.add_reader(server.channel.fileno(), self._on_exits, server)
        self._loop.add_reader(server.death, self._on_server_death, server)
        return server

    def _kill(self, slot: int) -> None:
        if self._server:
            self._server.kill(self._children[slot])
            self._flush(self._server)

    def _flush(self, peer: ChildHandle | ForkServerHandle) -> None:
        if not peer.flush():
            self._loop.add_writer(peer.channel.fileno(), self._on_writable, peer)

    def _tell_down(self, reason: str) -> None:
        log.warning("A worker process is down; it will be started again. %s", reason)
        if not self._first.done():
            self._first.set_exception(MpcsfaasError(f"The worker processes do not start. {reason}"))

    # What happens

    def _on_readable(self, slot: int) -> None:
        self._act(self._receive(slot))
        self._capacity_changed()

    def _receive(self, slot: int) -> list[Action]:
        child = self._children[slot]
        actions: list[Action] = []
        try:
            for kind, messages in groupby(child.receive(), type):
                actions += self._handle(slot, kind, messages)
        except (ValueError, Closed, OSError):
            actions += self._table.retire(slot, Cause.MISBEHAVED)
        self._flush(child)
        return actions

    def _handle(self, slot: int, kind: type[FromChild], messages: Iterable[Any]) -> list[Action]:
        """Tell the table about messages of one kind."""
        now = time.monotonic()
        if kind is Done:
            return self._table.results(slot, [message.result for message in messages], now)
        if kind is NeedFunction:
            return [action for each in messages for action in self._table.needs_function(slot, each.key, now)]
        for message in messages:
            self._children[slot].process = self._server.process(message) if self._server else 0
        if not self._first.done():
            self._first.set_result(None)
        return self._table.ready(slot, now)

    def _on_writable(self, peer: ChildHandle | ForkServerHandle) -> None:
        if peer.flush():
            self._loop.remove_writer(peer.channel.fileno())

    def _on_exits(self, server: ForkServerHandle) -> None:
        try:
            for exited in server.receive():
                self._on_exit(exited)
        except Closed:
            self._unwatch(server.channel.fileno())  # its death is announced, too

    def _on_exit(self, exited: Exited) -> None:
        slot = next(slot for slot, child in self._children.items() if child.number == exited.child)
        child_exit = self._children[slot].exit(exited, self._options.max_cpu_seconds)
        if exited.refusal:
            self._tell_down(f"The system refuses it: {exited.refusal}.")
        elif not self._table.slots[slot].came_up:
            self._tell_down(f"It {child_exit.description}. {child_exit.stderr}")
        self._bury(slot, child_exit)

    def _on_server_death(self, server: ForkServerHandle) -> None:
        self._unwatch(server.death, server.channel.fileno())
        self._server = None
        reason = server.end()
        self._tell_down(f"The process that starts the others {reason}")
        for slot, child in list(self._children.items()):
            self._bury(slot, child.exit_with_server(reason))

    def _bury(self, slot: int, child_exit: ChildExit) -> None:
        child = self._children.pop(slot)
        results, keys = _last_words(child)
        self._close_child(child)
        removal = self._loop.run_in_executor(None, child.remove_folder)
        self._removals.add(removal)
        removal.add_done_callback(self._removals.discard)
        self._act(self._table.exited(slot, results, keys, child_exit, time.monotonic()))
        self._capacity_changed()

    def _close_child(self, child: ChildHandle) -> None:
        self._unwatch(child.channel.fileno())
        child.close()

    def _unwatch(self, *descriptors: int) -> None:
        for descriptor in descriptors:
            self._loop.remove_reader(descriptor)
            self._loop.remove_writer(descriptor)

    # Time

    def _set_timer(self) -> None:
        """Wake up when the table wants it; a wake-up too early is harmless, so a timer is only ever moved forward."""
        wake_at = self._table.wake_at()
        if wake_at is None or (self._timer is not None and self._wakes_at <= wake_at):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._wakes_at = wake_at
        self._timer = self._loop.call_later(max(0.0, wake_at - time.monotonic()), self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._act(self._table.tick(time.monotonic()))
        self._capacity_changed()

    def _on_watch(self) -> None:
        self._watch = None
        for child in self._children.values():
            child.shrink_output()
        self._watch_memory()
        self._watch_cpu()
        self._watch_processes()
        if self._table.outstanding():
            self._watch = self._loop.call_later(WATCH_SECONDS, self._on_watch)

    def _watch_memory(self) -> None:
        limit = self._options.recycle_memory
        if limit is not None:
            self._recycle(lambda process: process_tree.resident_memory(process) > limit)

    def _watch_cpu(self) -> None:
        """Replace children that have used what one task may, so that the kernel's limit on each stays a low one."""
        limit = self._options.max_cpu_seconds
        if limit is not None:
            self._recycle(lambda process: process_tree.cpu_seconds(process) > limit)

    def _recycle(self, is_due: Callable[[int], bool]) -> None:
        for slot, child in list(self._children.items()):
            if child.process and is_due(child.process):
                self._act(self._table.retire(slot, Cause.RECYCLED))

    def _watch_processes(self) -> None:
        """Look for tasks with too many processes, but only if the machine has so many more than before."""
        now, limit = process_tree.count(), self._options.max_processes
        self._processes_before = min(now, self._processes_before)
        if now - self._processes_before <= limit:
            return
        slots = {child.process: slot for slot, child in self._children.items() if child.process}
        for pid, below in process_tree.descendants(slots).items():
            if len(below) > limit:
                self._act(self._table.retire(slots[pid], Cause.TOO_MANY_PROCESSES))


def _last_words(child: ChildHandle) -> tuple[list[AttemptResult], list[AttemptKey]]:
    """What a dead child still answered, and the attempts that it did not start."""
    results, keys = [], child.recall()
    with suppress(ValueError, Closed, OSError):
        for message in child.receive():
            if isinstance(message, Done):
                results.append(message.result)
            elif isinstance(message, NeedFunction):
                keys.append(message.key)
    return results, keys
