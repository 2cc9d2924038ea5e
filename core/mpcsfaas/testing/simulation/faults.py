"""What goes wrong in a history. Every fault ends by itself, and all of them when the history comes to its end."""

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from random import Random

from mpcsfaas.testing.simulation.network import Network, Weather
from mpcsfaas.testing.simulation.parts import Part
from mpcsfaas.testing.simulation.process import Process

LONGEST = 12.0
"""Seconds that a fault lasts at most: longer than a lease, and than any failure detector's limit."""
REVIVAL_SECONDS = 1.0
LARGEST_JUMP = 30.0
"""Seconds that a wall clock jumps at most."""


class Faults:
    """Does harm at random moments. Each history has kinds of its own, so that some are seen without the others."""

    def __init__(self, process: Process, network: Network, parts: Sequence[Part], storage: Process) -> None:
        """`process` is nobody's, and nothing happens to it."""
        self._process = process
        self._network = network
        self._parts = parts
        self._storage = storage
        self._random: Random = process.timeline.random
        self._over = False
        self._absent: set[str] = set()
        """Names of parts that are not to be started yet."""
        self.happened: list[str] = []
        """What was done, for people."""
        kinds: Mapping[str, Callable[[], None]] = {
            "kill": self._kill,
            "drain": self._drain,
            "suspend": self._suspend,
            "cut off": self._cut_off,
            "cut a line": self._cut_line,
            "bad weather": self._bad_weather,
            "storage away": self._lose_storage,
            "clock jumps": self._jump,
        }
        chosen = self._random.sample(sorted(kinds), self._random.randint(0, len(kinds)))
        self._kinds = [(kind, kinds[kind]) for kind in chosen]

    def begin(self, mean_pause: float) -> None:
        """Do harm, with pauses of so many seconds on average, until `end`."""
        self._revive()
        self._plan(mean_pause)

    def _plan(self, mean_pause: float) -> None:
        if self._kinds:
            self._process.call_later(self._random.expovariate(1 / mean_pause), self._strike, mean_pause)

    def end(self) -> None:
        """Repair everything."""
        self._over = True
        self._network.weather = Weather()
        self._network.cut.clear()
        self._storage.resume()
        for part in self._parts:
            if part.running:
                part.running.resume()
        self._absent.clear()

    def _revive(self) -> None:
        """Start whoever is dead, as a supervisor does."""
        for part in self._parts:
            if part.name not in self._absent:
                part.start()
        self._process.call_later(REVIVAL_SECONDS, self._revive)

    def _strike(self, mean_pause: float) -> None:
        if not self._over:
            kind, strike = self._random.choice(self._kinds)
            self.happened.append(f"{self._process.time():.3f} {kind}")
            strike()
            self._plan(mean_pause)

    def _later(self, repair: Callable[[], None]) -> None:
        """It lasts mostly not long."""
        self._process.call_later(self._random.random() ** 2 * LONGEST, self._unless_over, repair)

    def _unless_over(self, repair: Callable[[], None]) -> None:
        if not self._over:
            repair()

    # Kinds of faults

    def _kill(self) -> None:
        self._some_absent_part().kill()

    def _drain(self) -> None:
        self._some_absent_part().drain()

    def _some_absent_part(self) -> Part:
        """That is not started again for a while, once it is dead."""
        part = self._random.choice(self._parts)
        self._absent.add(part.name)
        self._later(lambda: self._absent.discard(part.name))
        return part

    def _suspend(self) -> None:
        process = self._random.choice(self._parts).running
        if process:
            process.suspend()
            self._later(process.resume)

    def _cut_off(self) -> None:
        """Nobody reaches one part."""
        victim = self._random.choice(self._parts).name
        self._cut([frozenset((victim, other)) for other in self._names() if other != victim])

    def _cut_line(self) -> None:
        """Two parts do not reach each other."""
        pairs = [frozenset(pair) for pair in combinations(self._names(), 2)]
        self._cut([self._random.choice(pairs)])

    def _cut(self, pairs: Sequence[frozenset[str]]) -> None:
        self._network.cut.update(pairs)
        self._later(lambda: self._network.cut.difference_update(pairs))

    def _bad_weather(self) -> None:
        random = self._random
        self._network.weather = Weather(
            loss=random.choice((0.0, 0.05, 0.3)),
            duplication=random.choice((0.0, 0.1)),
            reordering=random.choice((0.0, 0.0, 0.3)),
            delay=random.choice((0.001, 0.05, 0.5)),
        )
        self._later(lambda: setattr(self._network, "weather", Weather()))

    def _lose_storage(self) -> None:
        if self._random.random() < 0.5:
            self._storage.suspend()
            self._later(self._storage.resume)
        else:
            self._cut([frozenset((self._storage.name, part.name)) for part in self._parts])

    def _jump(self) -> None:
        processes = [part.running for part in self._parts if part.running]
        for process in self._random.sample([*processes, self._storage], 1):
            process.wall_offset = self._random.uniform(-LARGEST_JUMP, LARGEST_JUMP)

    def _names(self) -> list[str]:
        return [*(part.name for part in self._parts), self._storage.name]
