"""How often each failure detector is wrong, and how soon it is right, in simulated networks.

    uv run python benchmarks/detectors.py [--hours 100] [--deaths 300] [--seed 1]

A worker beats once a second; a caller asks every quarter of a second. Time is simulated, so the figures do not depend
on the machine. A worker that was wrongly suspected is forgotten and comes back with its next beat, as in a dispatcher.
"""

import argparse
import random
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from math import ceil
from time import perf_counter

from mpcsfaas.interfaces import FailureDetector
from mpcsfaas_heartbeat.heartbeat import HeartbeatDetector, HeartbeatOptions
from mpcsfaas_heartbeat.phi_accrual import PhiAccrualDetector, PhiAccrualOptions

ASK = 0.25
LEARNING = 120.0
STALL_EVERY = 600.0

Chance = random.Random
Delay = Callable[[Chance], float | None]
"""Seconds that a beat is on its way; None if it is lost."""


@dataclass(frozen=True)
class Network:
    """What happens to beats, and for how long either side is held up, every ten minutes or so."""

    delay: Delay = lambda chance: abs(chance.gauss(0.005, 0.005))
    worker_stall: tuple[float, float] = (0.0, 0.0)
    caller_stall: tuple[float, float] = (0.0, 0.0)


def lossy(share: float) -> Delay:
    return lambda chance: None if chance.random() < share else abs(chance.gauss(0.005, 0.005))


NETWORKS = {
    "calm": Network(),
    "jitter, 0.3 s on average": Network(lambda chance: chance.expovariate(1 / 0.3)),
    "jitter with a long tail (p99 3 s)": Network(lambda chance: chance.lognormvariate(-1.2, 1.0)),
    "5% of beats lost": Network(lossy(0.05)),
    "20% of beats lost": Network(lossy(0.2)),
    "worker held up 1 to 4 s": Network(worker_stall=(1.0, 4.0)),
    "worker held up 2 to 8 s": Network(worker_stall=(2.0, 8.0)),
    "dispatcher held up 2 to 20 s": Network(caller_stall=(2.0, 20.0)),
}
DETECTORS: dict[str, Callable[[], FailureDetector]] = {
    "heartbeat": lambda: HeartbeatDetector(HeartbeatOptions()),
    "heartbeat, limit 3": lambda: HeartbeatDetector(HeartbeatOptions(limit=3.0)),
    "phi_accrual": lambda: PhiAccrualDetector(PhiAccrualOptions()),
    "phi_accrual, acceptable_pause 1": lambda: PhiAccrualDetector(PhiAccrualOptions(acceptable_pause=1.0)),
}


def stalls(length: tuple[float, float], seconds: float, chance: Chance) -> Iterator[tuple[float, float]]:
    """Begin and end of each time of being held up."""
    begin = chance.expovariate(1 / STALL_EVERY)
    while length[1] and begin < seconds:
        end = begin + chance.uniform(*length)
        yield begin, end
        begin = end + chance.expovariate(1 / STALL_EVERY)


def held_up(moments: list[float], times: list[tuple[float, float]]) -> list[float]:
    """The moments in order, with those within one of the times put off to its end."""
    put_off, rest = [], list(reversed(times))
    for moment in sorted(moments):
        while rest and rest[-1][1] <= moment:
            rest.pop()
        put_off.append(max(moment, rest[-1][1]) if rest and rest[-1][0] <= moment else moment)
    return put_off


@dataclass
class Run:
    """One worker's beats as they arrive, and one caller."""

    network: Network
    detector: FailureDetector
    chance: Chance
    wrong: int = 0
    found: float | None = None
    arrivals: list[float] = field(default_factory=list)

    def play(self, seconds: float, death: float | None = None) -> None:
        """Until `seconds`, or until the death is noticed."""
        sent = [float(second) for second in range(ceil(death or seconds))]
        sent = held_up(sent, list(stalls(self.network.worker_stall, seconds, self.chance)))
        delays = [(moment, self.network.delay(self.chance)) for moment in sent]
        arrivals = sorted(moment + delay for moment, delay in delays if delay is not None)
        asks = [ASK * count for count in range(int(seconds / ASK))]
        pauses = list(stalls(self.network.caller_stall, seconds, self.chance))
        self.arrivals = list(reversed(arrivals))
        for now in sorted(set(held_up(asks, pauses))):
            if self.step(now, death):
                return

    def step(self, now: float, death: float | None) -> bool:
        """Ask, first, as a caller may that has just woken; then read what has arrived. True once a death is noticed."""
        suspects = self.detector.suspects(now)
        if suspects and death is not None and now > death:
            self.found = now - death
            return True
        self.wrong += len(suspects)
        for worker in suspects:
            self.detector.forget(worker)
        while self.arrivals and self.arrivals[-1] <= now:
            self.arrivals.pop()
            self.detector.beat("worker", now)
        return False


def false_suspicions(network: Network, make: Callable[[], FailureDetector], hours: float, seed: int) -> float:
    """For each hour of one worker."""
    run = Run(network, make(), Chance(seed))
    run.play(hours * 3600)
    return run.wrong / hours


def detection_delays(network: Network, make: Callable[[], FailureDetector], deaths: int, seed: int) -> list[float]:
    """Seconds from each death of a worker that was known for a while to the suspicion."""
    chance = Chance(seed)
    delays: list[float] = []
    while len(delays) < deaths:
        run = Run(network, make(), chance)
        run.play(LEARNING + 120, death=LEARNING + chance.random())
        if run.found is not None:
            delays.append(run.found)
    return sorted(delays)


def cost(make: Callable[[], FailureDetector], workers: int = 1000) -> tuple[float, float]:
    """Microseconds of a beat, and of a question about `workers` workers, none of them silent."""
    detector = make()
    names = [f"worker-{number}" for number in range(workers)]
    beats, questions = [], []
    for second in range(20):
        started = perf_counter()
        for name in names:
            detector.beat(name, float(second))
        middle = perf_counter()
        detector.suspects(second + 0.5)
        beats.append((middle - started) / workers)
        questions.append(perf_counter() - middle)
    return statistics.median(beats) * 1e6, statistics.median(questions) * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=100)
    parser.add_argument("--deaths", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    print(f"| network | {' | '.join(DETECTORS)} |")
    print(f"|---|{'---|' * len(DETECTORS)}")
    for name, network in NETWORKS.items():
        cells = []
        for make in DETECTORS.values():
            wrong = false_suspicions(network, make, arguments.hours, arguments.seed)
            delays = detection_delays(network, make, arguments.deaths, arguments.seed)
            cells.append(f"{wrong:.2f}; {statistics.median(delays):.1f} / {delays[int(len(delays) * 0.99)]:.1f} s")
        print(f"| {name} | {' | '.join(cells)} |", flush=True)
    for name, make in DETECTORS.items():
        beat, question = cost(make)
        print(f"{name}: {beat:.1f} µs a beat, {question:.0f} µs a question about 1,000 workers")


if __name__ == "__main__":
    main()
