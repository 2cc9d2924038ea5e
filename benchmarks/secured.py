"""What security costs: throughput with an API key at the gateway and CURVE at the dispatcher, over that without.

    uv run python -m benchmarks.secured [--mode push] [--tasks 5000] [--rounds 9] [--workers 2]

Two whole platforms, alike but for the keys, take turns in one run, so that a machine that drifts does so for both; the
first of a pair changes from round to round. The one without keys lets in its own user, and its workers over plain TCP.
The figures are the medians of the ratios: of the rates, and of the CPU time of gateway, dispatcher and worker for each
task, which tells more where the machine is busy with other things.
"""

import argparse
import statistics
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from benchmarks.measuring import timed, tree_seconds
from benchmarks.systems.work import noop

from mpcsfaas import Client
from mpcsfaas.testing.command_line import CommandLine
from mpcsfaas.testing.deployment import Deployment
from mpcsfaas.testing.platform import PlatformProcess

WARM_UP = 500


class Rival(NamedTuple):
    """One of the two platforms."""

    client: Client
    parts: list[PlatformProcess]

    def cpu(self) -> float:
        """Seconds that dispatcher and worker have used so far."""
        return sum(tree_seconds(part.pid) for part in self.parts)


class Figures(NamedTuple):
    """Of one run."""

    rate: float
    cpu: float
    """Microseconds a task."""


@contextmanager
def platform(folder: Path, mode: str, workers: int, is_secured: bool) -> Iterator[Rival]:
    """A gateway, a dispatcher and a worker over a file."""
    (folder / "state").mkdir(parents=True)
    plain = [] if is_secured else ["--insecure-plaintext"]
    with Deployment(folder, mode) as deployment:
        key = _new_key(deployment) if is_secured else None
        parts = [deployment.gateway(), deployment.dispatcher(*plain), deployment.worker(workers, *plain)]
        with Client(deployment.start().url, key=key) as client:
            yield Rival(client, parts)


def _new_key(deployment: Deployment) -> str:
    """From now on, the gateway demands one."""
    command_line = CommandLine(deployment.folder / "state")
    return command_line("keys", "create", "--storage", deployment.storage).output.strip()


def measure(rival: Rival, count: int) -> Figures:
    """So many no-ops."""
    before = rival.cpu()
    seconds = timed(lambda: _run(rival.client, count))
    return Figures(count / seconds, 1e6 * (rival.cpu() - before) / count)


def _run(client: Client, count: int) -> None:
    assert list(client.map(noop, range(count), progress=False)) == list(range(count))


def main() -> None:
    """Print each pair of rates, and the median of the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mode", choices=["push", "pull"], default="push")
    parser.add_argument("--tasks", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, ExitStack() as ends:
        rivals = {
            kind: ends.enter_context(platform(Path(name, kind), options.mode, options.workers, kind == "keys"))
            for kind in ("keys", "plain")
        }
        for rival in rivals.values():
            measure(rival, WARM_UP)
        ratios = []
        for number in range(options.rounds):
            order = ["keys", "plain"] if number % 2 else ["plain", "keys"]
            found = {kind: measure(rivals[kind], options.tasks) for kind in order}
            keys, plain = found["keys"], found["plain"]
            ratios.append(Figures(keys.rate / plain.rate, keys.cpu / plain.cpu))
            print(f"keys {keys.rate:6,.0f}/s {keys.cpu:5,.0f} µs   plain {plain.rate:6,.0f}/s {plain.cpu:5,.0f} µs")
    rate, cpu = (statistics.median(values) for values in zip(*ratios, strict=True))
    print(f"{options.mode}: {rate:.3f} of the rate, {cpu:.3f} of the CPU time")


if __name__ == "__main__":
    main()
