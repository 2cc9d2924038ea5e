"""`python -m mpcsfaas.testing.simulation`: one history, or as many as there is time for."""

import sys
from itertools import count, takewhile
from time import perf_counter
from typing import Annotated

import typer

from mpcsfaas.errors import MpcsfaasError
from mpcsfaas.plugins import Plugins
from mpcsfaas.testing.simulation import Machinery, Verdict, simulate

SHOWN = 20
"""Broken promises that are told of one history."""


def main(
    seed: Annotated[int, typer.Option(help="Number of the history, or of the first of several.")] = 0,
    seeds: Annotated[int, typer.Option(help="How many histories there are to be.", min=1)] = 1,
    minutes: Annotated[float, typer.Option(help="After how long no further one is begun.", min=0)] = 60.0,
    plugin: Annotated[list[str] | None, typer.Option(help="Strategy and failure detector. Default: push.")] = None,
) -> None:
    """Live through histories of the platform in virtual time; exit with 1 if a promise was broken in one."""
    names = plugin or ["push"]
    try:
        machinery = Machinery.of(Plugins.select(names))
    except MpcsfaasError as error:
        sys.stderr.write(f"{error}\n")
        raise typer.Exit(2) from None
    started_at = perf_counter()
    in_time = takewhile(lambda _: perf_counter() - started_at <= 60 * minutes, count(seed))
    verdicts = [_tell(simulate(number, machinery), names) for number, _ in zip(in_time, range(seeds), strict=False)]
    _summarise(verdicts, perf_counter() - started_at)
    raise typer.Exit(any(verdict.broken for verdict in verdicts))


def _tell(verdict: Verdict, names: list[str]) -> Verdict:
    if verdict.broken:
        plugins = " ".join(f"--plugin {name}" for name in names)
        lines = [
            f"Broken promises in history {verdict.seed}. To see them again:",
            f"  uv run python -m mpcsfaas.testing.simulation --seed {verdict.seed} {plugins}",
            *(f"  at {fault}" for fault in verdict.faults),
            *(f"  - {what}" for what in verdict.broken[:SHOWN]),
        ]
        sys.stdout.write("\n".join(lines) + "\n")
    return verdict


def _summarise(verdicts: list[Verdict], seconds: float) -> None:
    steps = sum(verdict.steps for verdict in verdicts)
    broken = sum(bool(verdict.broken) for verdict in verdicts)
    digest = f" Digest of the last: {verdicts[-1].digest:08x}." if verdicts else ""
    tasks, faults = sum(verdict.tasks for verdict in verdicts), sum(len(verdict.faults) for verdict in verdicts)
    sys.stdout.write(
        f"{len(verdicts)} histories of {sum(verdict.seconds for verdict in verdicts):.0f} s in {seconds:.1f} s: "
        f"{tasks} tasks, {faults} faults, "
        f"{steps} steps ({steps / seconds * 60 / 1e6:.1f} million a minute); {broken} broken.{digest}\n"
    )


if __name__ == "__main__":
    typer.run(main)
