"""The parts of the platform in a history. Each runs the product's own code in a process, and can be killed."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import ClassVar

from mpcsfaas.dispatcher import Dispatcher, DispatcherSettings
from mpcsfaas.errors import StorageUnavailable
from mpcsfaas.interfaces import DispatchStrategy
from mpcsfaas.testing.simulation.machinery import Machinery
from mpcsfaas.testing.simulation.process import Process
from mpcsfaas.testing.simulation.storage import StorageServer
from mpcsfaas.worker.agent import WorkerAgent
from mpcsfaas.worker.agent_options import AgentOptions


class Part(ABC):
    """One part: at most one process at a time."""

    role: ClassVar[str]

    def __init__(self, spawn: Callable[[str], Process], number: int) -> None:
        self.name = f"{self.role}-{number}"
        self._spawn = spawn
        self.process: Process | None = None

    @property
    def running(self) -> Process | None:
        """Its process, unless it is dead."""
        return self.process if self.process and self.process.alive else None

    def start(self) -> None:
        """Start it, or start it again; nothing if it runs."""
        if self.running is None:
            self.process = self._spawn(self.name)
            self.process.call_soon(self.begin, self.process)

    def kill(self) -> None:
        """As `kill -9` does."""
        if self.process:
            self.process.kill()

    @abstractmethod
    def begin(self, process: Process) -> None:
        """The first thing that its process does."""

    def drain(self) -> None:
        """As SIGTERM does. Those that have nothing to finish are killed."""
        self.kill()

    def held(self) -> Sequence[str]:
        """What it still has in hand, for people: nothing, once every task has ended."""
        return []


class DispatcherPart(Part):
    """A dispatcher with its strategy."""

    role: ClassVar[str] = "dispatcher"

    def __init__(
        self,
        spawn: Callable[[str], Process],
        number: int,
        server: StorageServer,
        machinery: Machinery,
        settings: DispatcherSettings,
    ) -> None:
        super().__init__(spawn, number)
        self._server = server
        self._machinery = machinery
        self._settings = settings
        self.url = f"ipc://{self.name}"
        self.dispatcher: Dispatcher | None = None
        self.strategy: DispatchStrategy | None = None

    def begin(self, process: Process) -> None:
        self.strategy = self._machinery.strategy(self.url)
        self.dispatcher = self._machinery.dispatcher(
            self._server.client(), self.strategy, [], self._machinery.detector, self._settings
        )
        process.main(self._run(self.dispatcher, process))

    def drain(self) -> None:
        if self.running and self.dispatcher:
            self.running.call_soon(self._drain, self.running, self.dispatcher)

    def held(self) -> Sequence[str]:
        if not self.running or not self.dispatcher or not self.strategy:
            return []
        keys = self.dispatcher._ledger.keys()
        return [f"{self.name} still holds {key}" for key in keys]

    async def _run(self, dispatcher: Dispatcher, process: Process) -> None:
        with suppress(StorageUnavailable):  # At its start: then it ends, and whoever watches it starts it again.
            await dispatcher.run()
        process.kill()

    def _drain(self, process: Process, dispatcher: Dispatcher) -> None:
        process.create_task(dispatcher.drain())


class WorkerPart(Part):
    """A worker agent over simulated children."""

    role: ClassVar[str] = "worker"

    def __init__(
        self, spawn: Callable[[str], Process], number: int, machinery: Machinery, url: str, labels: tuple[str, ...]
    ) -> None:
        super().__init__(spawn, number)
        self._machinery = machinery
        self._options = AgentOptions(url=url, workers=2, labels=labels, drain_timeout=5.0)
        self.agent: WorkerAgent | None = None

    def begin(self, process: Process) -> None:
        self.agent = self._machinery.agent(self._options, self._machinery.link, self._machinery.link_options, [])
        process.main(self._run(self.agent, process))

    def drain(self) -> None:
        if self.running and self.agent:
            self.running.call_soon(self.agent.drain)

    def held(self) -> Sequence[str]:
        if not self.running or not self.agent:
            return []
        keys = [f"{self.name} still holds {key}" for key in self.agent._state.held]
        busy = self.agent._pool.busy()
        return [*keys, *([f"{self.name} has {busy} busy slots"] if busy else [])]

    async def _run(self, agent: WorkerAgent, process: Process) -> None:
        await agent.run(lambda: None)
        process.kill()
