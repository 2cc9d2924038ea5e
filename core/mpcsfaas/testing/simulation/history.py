"""A whole history: a platform is set up, mistreated, repaired and judged."""

from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from mpcsfaas.dispatcher import DispatcherSettings
from mpcsfaas.testing.simulation.behaviour import Runs
from mpcsfaas.testing.simulation.faults import Faults
from mpcsfaas.testing.simulation.gateway import GatewayPart
from mpcsfaas.testing.simulation.load import FUNCTIONS, LABEL, Clients
from mpcsfaas.testing.simulation.machinery import Machinery
from mpcsfaas.testing.simulation.network import Network
from mpcsfaas.testing.simulation.parts import DispatcherPart, Part, WorkerPart
from mpcsfaas.testing.simulation.process import Process
from mpcsfaas.testing.simulation.promises import broken_promises, changed_ends, needless_losses
from mpcsfaas.testing.simulation.storage import StorageServer
from mpcsfaas.testing.simulation.substitutes import substitutes
from mpcsfaas.testing.simulation.timeline import START, Standstill, Timeline

T = TypeVar("T")

UPHEAVAL = 30.0
"""Seconds in which tasks are submitted and things go wrong."""
MOST_TASKS = 30
PATIENCE = 600.0
"""Seconds within which everything must have ended, once nothing is broken any more."""
SETTLING = 60.0
"""Seconds within which nothing may be left in anybody's hands, once every task has ended."""


@dataclass(frozen=True)
class Verdict:
    """What became of one history."""

    seed: int
    broken: Sequence[str]
    """The promises that were not kept."""
    steps: int
    seconds: float
    """Of virtual time."""
    tasks: int
    faults: Sequence[str]
    digest: int
    """The same for every run of the same seed."""


def simulate(seed: int, machinery: Machinery) -> Verdict:
    """Live through the history with this number, in the thread that calls, which must not run an event loop."""
    with substitutes(seed):
        history = History(seed, machinery)
        try:
            return history.live()
        finally:
            history.bury()


class History:
    """A few gateways, dispatchers and workers, clients, and somebody who does harm."""

    def __init__(self, seed: int, machinery: Machinery) -> None:
        self._seed = seed
        self._timeline = Timeline(seed)
        self._network = Network(self._timeline)
        self._runs = Runs()
        self._processes: list[Process] = []
        self._storage = machinery.storage()
        self._server = StorageServer(self._spawn("storage"), self._storage)
        self._storage.clock = self._server.process.wall_clock
        self._nobody = self._spawn("nobody")
        gateways = [GatewayPart(self._spawn, number, self._server) for number in range(2)]
        self._parts = [*gateways, *self._working_parts(machinery)]
        random = self._timeline.random
        self._clients = Clients(self._spawn("clients"), gateways, random.randint(1, MOST_TASKS), UPHEAVAL)
        self._faults = Faults(self._nobody, self._network, self._parts, self._server.process)

    def live(self) -> Verdict:
        """From the beginning to the judgement."""
        try:
            broken = self._pass()
        except Standstill as error:
            broken = [str(error)]
        return Verdict(
            seed=self._seed,
            broken=[*self._timeline.defects, *broken],
            steps=self._timeline.steps,
            seconds=self._timeline.now - START,
            tasks=len(self._clients.accepted),
            faults=self._faults.happened,
            digest=self._timeline.digest,
        )

    def bury(self) -> None:
        """Leave nothing behind."""
        for process in self._processes:
            process.bury()

    def _pass(self) -> list[str]:
        timeline = self._timeline
        self._do(self._prepare())
        for part in self._parts:
            part.start()
        self._faults.begin(timeline.random.choice((0.5, 2.0, 6.0)))
        timeline.run(START + UPHEAVAL)
        self._faults.end()
        timeline.run(timeline.now + PATIENCE, unless=lambda: not self._clients.unfinished)
        timeline.run(timeline.now + SETTLING, unless=lambda: not self._held())
        unsettled = [] if self._clients.unfinished else self._held()
        return [*self._clients.contradictions, *unsettled, *self._do(self._judge())]

    async def _prepare(self) -> None:
        await self._storage.open()
        for function in FUNCTIONS:
            await self._storage.put_function(function)

    async def _judge(self) -> list[str]:
        ids = list(self._clients.accepted)
        records = dict(zip(ids, await self._storage.get_tasks(ids), strict=True))
        results = dict(zip(ids, await self._storage.get_results(ids), strict=True))
        completions = await self._storage.completions(0, limit=10 * MOST_TASKS)
        broken = [] if self._faults.happened else list(needless_losses(records.values()))
        broken += broken_promises(self._clients.accepted, records, results, completions, self._runs)
        return [*broken, *changed_ends(self._clients.ended, records)]

    def _held(self) -> list[str]:
        return [what for part in self._parts for what in part.held()]

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        """Have the storage do something, undisturbed."""
        task = self._server.process.create_task(work)
        self._timeline.run(self._timeline.now + 1.0, unless=task.done)
        return task.result()

    def _spawn(self, name: str) -> Process:
        number = len(self._processes) + 1
        process = Process(self._timeline, self._network, self._runs, name, number)  # type: ignore[abstract]
        self._processes.append(process)
        return process

    def _working_parts(self, machinery: Machinery) -> list[Part]:
        settings = DispatcherSettings(drain_timeout=5.0)
        number = self._timeline.random.choice((1, 2))
        dispatchers = [DispatcherPart(self._spawn, which, self._server, machinery, settings) for which in range(number)]
        workers = [
            WorkerPart(self._spawn, which, machinery, dispatchers[which % number].url, (LABEL,) * (which >= number))
            for which in range(2 * number)
        ]
        return [*dispatchers, *workers]
