"""Task systems side by side in one run: throughput, latency, payloads, and the CPU time that a task costs.

    uv run --group bench python -m benchmarks.compare [--systems embedded,push,pool] [--rounds 5] [--out FOLDER]

The systems take turns, round after round, and medians are shown with their spread, so the machine's drift hits all of
them alike. A system that is not installed, or fails, is named in the report and does not stop the others.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.measuring import Figures, machine, measure, versions
from benchmarks.systems.base import System

SYSTEMS = {
    "embedded": "ours:Embedded",
    "local": "ours:Local",
    "push": "ours:Push",
    "push-aof": "ours:PushEverySecond",
    "push-singly": "ours:PushSingly",
    "pull": "ours:Pull",
    "pool": "pools:StandardPool",
    "loky": "pools:Loky",
    "pebble": "pools:Pebble",
}
"""Where the class of each system is, below `benchmarks.systems`."""

WORKERS = 2
Rounds = dict[str, list[Figures]]


def find(word: str) -> type[System]:
    """The class that a word stands for. Raises ImportError if the system is not installed."""
    module, _, name = SYSTEMS[word].partition(":")
    found: type[System] = getattr(import_module(f"benchmarks.systems.{module}"), name)
    return found


def run_once(kind: type[System]) -> Figures:
    """Start a system, measure it, stop it."""
    with tempfile.TemporaryDirectory() as folder:
        system = kind(Path(folder), WORKERS)
        try:
            system.start()
            return measure(system)
        finally:
            system.stop()


def run_rounds(words: Sequence[str], rounds: int, say: Callable[[str], None]) -> tuple[Rounds, dict[str, str]]:
    """The figures of each round, and the reasons why there are none."""
    figures: Rounds = {}
    failures: dict[str, str] = {}
    for number in range(rounds):
        for word in [word for word in words if word not in failures]:
            try:
                figures.setdefault(word, []).append(run_once(find(word)))
            except Exception as error:
                failures[word] = f"{type(error).__name__}: {error}"
                say(f"{word}: {failures[word]}")
            else:
                say(f"round {number + 1} {word}: {_brief(figures[word][-1])}")
    return figures, failures


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
        if rounds
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
    figures, failures = run_rounds(words, arguments.rounds, print)
    report = {
        "measured at": time.strftime("%Y-%m-%d %H:%M"),
        "machine": machine(),
        "workers": WORKERS,
        "rounds": arguments.rounds,
        "systems": {word: describe(find(word)) for word in figures if word not in failures},
        "failures": failures,
        "figures": summarise(figures),
    }
    write(report, arguments.out)


def describe(kind: type[System]) -> dict[str, Any]:
    """What a system is called, how it was set up, and of which version it is."""
    return {"name": kind.name, "settings": kind.settings, "versions": versions(kind.distributions)}


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
