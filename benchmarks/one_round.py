"""One round of one system, in a process of its own: `python -m benchmarks.one_round SYSTEM FILE`.

What the systems' clients leave in a process (threads, loops, connections, global brokers) cannot touch the next round,
and a system that cannot share an environment with the others runs in one of its own.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.measuring import Figures, measure, versions
from benchmarks.processes import adopt_orphans, end, end_children, start
from benchmarks.systems import ENVIRONMENTS, WORKERS, find
from benchmarks.systems.base import System

LIMIT = 300.0
"""Seconds after which a round is given up."""


def run_apart(word: str) -> dict[str, Any]:
    """One round in a process of its own. Raises `RuntimeError` with the reason why there are no figures."""
    with tempfile.TemporaryDirectory() as name:
        log, file = Path(name, "log"), Path(name, "round.json")
        process = start([*_interpreter(word), "-m", "benchmarks.one_round", word, str(file)], log)
        try:
            process.wait(LIMIT)
        except subprocess.TimeoutExpired:
            raise RuntimeError(f"no end within {LIMIT:g} s") from None
        finally:
            end(process)
        if not file.exists():
            raise RuntimeError((log.read_text().splitlines() or ["no figures, and nothing printed"])[-1])
        found: dict[str, Any] = json.loads(file.read_text())
        return found


def _interpreter(word: str) -> Sequence[str]:
    group = ENVIRONMENTS.get(word)
    if group is None:
        return [sys.executable]
    return [os.environ.get("UV", "uv"), "run", "--quiet", "--isolated", "--group", group, "python"]


def run_here(kind: type[System]) -> Figures:
    """Start a system, measure it, stop it."""
    with tempfile.TemporaryDirectory() as folder:
        system = kind(Path(folder), WORKERS)
        try:
            system.start()
            return measure(system)
        finally:
            system.stop()
            end_children()


def main() -> None:
    word, file = sys.argv[1:]
    adopt_orphans()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))
    kind = find(word)
    figures = run_here(kind)
    system = {"name": kind.name, "settings": kind.settings, "versions": versions(kind.distributions)}
    Path(file).write_text(json.dumps({"system": system, "figures": figures}))


if __name__ == "__main__":
    main()
