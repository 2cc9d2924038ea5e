"""Task systems side by side in one run: throughput, latency, payloads, and the CPU time that a task costs.

    uv run --group bench python -m benchmarks.compare [--systems embedded,push,pool] [--rounds 5] [--out FOLDER]

The systems take turns, round after round, and medians are shown with their spread, so the machine's drift hits all of
them alike. Each round has a process of its own. A system that is not installed, or fails, is named in the report and
does not stop the others.
"""

import argparse
import json
import signal
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.measuring import Figures, machine
from benchmarks.one_round import run_apart
from benchmarks.systems import SYSTEMS, WORKERS

Rounds = dict[str, list[Figures]]


@dataclass
class Outcome:
    """What was found out about each system, and why there is nothing about the others."""

    figures: Rounds = field(default_factory=dict)
    systems: dict[str, Any] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)


def run_rounds(words: Sequence[str], rounds: int, say: Callable[[str], None]) -> Outcome:
    """Let the systems take turns. One that fails is left out from then on, with all its figures."""
    outcome = Outcome()
    for number in range(rounds):
        for word in [word for word in words if word not in outcome.failures]:
            try:
                found = run_apart(word)
            except RuntimeError as error:
                outcome.failures[word] = str(error)
                outcome.figures.pop(word, None)
                say(f"{word}: {error}")
            else:
                outcome.systems[word] = found["system"]
                outcome.figures.setdefault(word, []).append(found["figures"])
                say(f"round {number + 1} {word}: {_brief(found['figures'])}")
    return outcome


def _brief(figures: Figures) -> str:
    return ", ".join(f"{name} {value:.4g}" for name, value in figures.items())


def summarise(figures: Rounds) -> dict[str, dict[str, dict[str, float]]]:
    """The median, least and greatest of each figure."""
    return {
        word: {
            name: {"median": statistics.median(values), "min": min(values), "max": max(values)}
            for name, values in _columns(rounds).items()
        }
        for word, rounds in figures.items()
    }


def _columns(rounds: Sequence[Figures]) -> Mapping[str, list[float]]:
    return {name: [figures[name] for figures in rounds] for name in rounds[0]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--systems", default=",".join(SYSTEMS), help="of these, separated by commas")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("benchmark-results"))
    arguments = parser.parse_args()
    words = arguments.systems.split(",")
    unknown = sorted(set(words) - SYSTEMS.keys())
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}. There are: {', '.join(SYSTEMS)}.")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))
    outcome = run_rounds(words, arguments.rounds, partial(print, flush=True))
    report = {
        "measured at": time.strftime("%Y-%m-%d %H:%M"),
        "machine": machine(),
        "workers": WORKERS,
        "rounds": arguments.rounds,
        "systems": outcome.systems,
        "failures": outcome.failures,
        "figures": summarise(outcome.figures),
    }
    write(report, arguments.out)


def write(report: dict[str, Any], folder: Path) -> None:
    """The report as JSON, as a table, and as plots."""
    from benchmarks.presenting import plot, table

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "compare.json").write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n")
    (folder / "compare.md").write_text(table(report))
    plot(report, folder)
    print(table(report))


if __name__ == "__main__":
    main()
