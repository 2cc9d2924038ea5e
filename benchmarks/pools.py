"""Our process pool beside `ProcessPoolExecutor`, loky and pebble: speed, and what happens when things go wrong.

    uv run --group bench python -m benchmarks.pools [--rounds 5] [--json FILE] [--only speed|trouble]

Speed: the pools take turns, and the medians are shown, so the machine's drift hits all of them alike. Ours is driven as
a dispatcher drives it, from its event loop, and pays for serialising arguments and results, as the others do.
Trouble: each case runs in a process of its own, and its outcome is what was observed.
"""

import argparse
import json
import os
import platform
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Any

import psutil
from benchmarks.pool_contenders import CONTENDERS, Contender


def noop() -> None:
    """Do nothing."""


def echo(data: bytes) -> bytes:
    """Return the argument."""
    return data


def die() -> None:
    """End the process."""
    os._exit(1)


def hang() -> None:
    """Never end, in C."""
    sum(range(10**12))


def leave_a_daemon() -> None:
    """Start a process in a session of its own, then never end."""
    subprocess.Popen(["sleep", "987"], start_new_session=True)
    hang()


def unpicklable() -> Any:
    """Return what cannot be pickled."""
    return sys._getframe()


# Speed


def throughput(pool: Contender, count: int = 4000) -> float:
    """No-op tasks per second."""
    started = time.perf_counter()
    wrong = [outcome for outcome in pool.run(noop, [()] * count) if outcome is not None]
    assert not wrong, f"{pool.name}: {wrong[0]!r} and {len(wrong)} in all"
    return count / (time.perf_counter() - started)


def latency(pool: Contender, count: int = 500) -> float:
    """Median microseconds of one no-op after the other."""
    return statistics.median(pool.one_by_one(noop, count)) * 1e6


def megabytes(pool: Contender, count: int = 200) -> float:
    """Megabytes per second that go there and back, in pieces of 1 MB."""
    data = os.urandom(1_000_000)
    started = time.perf_counter()
    assert pool.run(echo, [(data,)] * count)[-1] == data
    return count / (time.perf_counter() - started)


def fresh_processes(contender: type[Contender], count: int = 20) -> float:
    """No-op tasks per second when each gets a process of its own."""
    pool = contender(fresh=True)
    pool.run(noop, [()] * 4)
    rate = throughput(pool, count)
    pool.close()
    return rate


MEASURES: dict[str, Callable[[Contender], float]] = {
    "no-op, tasks/s": throughput,
    "one at a time, µs": latency,
    "1 MB echo, MB/s": megabytes,
}


def measure_speed(rounds: int) -> dict[str, dict[str, float]]:
    """The median of each measure for each pool."""
    pools = [contender() for contender in CONTENDERS]
    values: dict[str, dict[str, list[float]]] = {name: {pool.name: [] for pool in pools} for name in MEASURES}
    for pool in pools:
        pool.run(noop, [()] * 500)
    for _ in range(rounds):
        for name, measure in MEASURES.items():
            for pool in pools:
                values[name][pool.name].append(measure(pool))
    for pool in pools:
        pool.close()
    rows = {name: {pool: statistics.median(each) for pool, each in row.items()} for name, row in values.items()}
    return {**rows, "no-op in a fresh process, tasks/s": measure_fresh(rounds)}


def measure_fresh(rounds: int) -> dict[str, float]:
    """The median for each pool that can do it."""
    able = [contender for contender in CONTENDERS if contender.can_be_fresh]
    values: dict[str, list[float]] = {contender.name: [] for contender in able}
    for _ in range(rounds):
        for contender in able:
            values[contender.name].append(fresh_processes(contender))
    return {name: statistics.median(each) for name, each in values.items()}


# Trouble


def _tell(outcome: Any) -> str:
    return f"{type(outcome).__name__}: {outcome}".split("\n")[0][:110] if isinstance(outcome, Exception) else "a value"


def _next_works(pool: Contender) -> str:
    return "the next task runs" if pool.run(noop, [()]) == [None] else "the next task fails"


def a_child_dies(pool: Contender) -> str:
    """One of 20 tasks ends its process."""
    others = pool.run(_die_or_sleep, [(number == 5,) for number in range(20)])
    lost = sum(isinstance(outcome, Exception) for outcome in others) - 1
    return f"{_tell(others[5])} — {lost} of 19 other tasks lost; {_next_works(pool)}"


def _die_or_sleep(dies: bool) -> None:
    if dies:
        die()
    time.sleep(0.02)


def a_task_hangs(pool: Contender) -> str:
    """A task must be killed after 0.5 s."""
    started = time.perf_counter()
    (outcome,) = pool.run(hang, [()], timeout=0.5)
    seconds = time.perf_counter() - started
    return f"{_tell(outcome)} after {seconds:.2f} s; {_count_busy()} process still runs it; {_next_works(pool)}"


def _count_busy() -> int:
    """How many processes below this one use the CPU."""
    below = psutil.Process().children(recursive=True)
    before = [sum(each.cpu_times()[:2]) for each in below]
    time.sleep(0.5)
    return sum(sum(each.cpu_times()[:2]) > used + 0.05 for each, used in zip(below, before, strict=True))


def a_hanging_task_has_a_daemon(pool: Contender) -> str:
    """As before, and the task has started a process in a session of its own."""
    pool.run(leave_a_daemon, [()], timeout=0.5)
    left = [each for each in psutil.process_iter(["cmdline"]) if each.info["cmdline"] == ["sleep", "987"]]
    for each in left:
        each.kill()
    return f"{len(left)} process left"


def a_result_does_not_pickle(pool: Contender) -> str:
    """A task returns a frame object."""
    (outcome,) = pool.run(unpicklable, [()])
    return f"{_tell(outcome)}; {_next_works(pool)}"


TROUBLES: dict[str, Callable[[Contender], str]] = {
    "a child dies": a_child_dies,
    "a task hangs": a_task_hangs,
    "a hanging task has a daemon": a_hanging_task_has_a_daemon,
    "a result does not pickle": a_result_does_not_pickle,
}


def observe_trouble() -> dict[str, dict[str, str]]:
    """Each case for each pool, in a process of its own, which is killed with all below it in the end."""
    return {trouble: {each.name: _observe(trouble, each.name) for each in CONTENDERS} for trouble in TROUBLES}


def _observe(trouble: str, contender: str) -> str:
    program = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.pools", "--case", trouble, contender],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    assert program.stdout is not None
    outcome = program.stdout.readline().strip()
    os.killpg(program.pid, signal.SIGKILL)
    program.communicate()
    return outcome or "the caller was killed or hung"


def _run_case(trouble: str, contender: str) -> None:
    (pool,) = [each() for each in CONTENDERS if each.name == contender]
    signal.alarm(60)
    pool.run(noop, [()] * 20)
    print(TROUBLES[trouble](pool), flush=True)
    signal.pause()


# Report


def machine() -> dict[str, str]:
    """What it ran on, and with which versions."""
    versions = {name: version(name) for name in ("mpcsfaas", "loky", "pebble", "cloudpickle", "uvloop")}
    return {"cpus": str(os.cpu_count()), "python": platform.python_version(), "kernel": platform.release(), **versions}


def table(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """Markdown."""
    names = [contender.name for contender in CONTENDERS]
    lines = ["| | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    for title, row in rows.items():
        cells = [_cell(row.get(name, "—")) for name in names]
        lines.append(f"| {title} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:,.0f}"


def main() -> None:
    """Measure, print, and write JSON if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json")
    parser.add_argument("--only", choices=["speed", "trouble"])
    parser.add_argument("--case", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.case:
        return _run_case(*options.case)
    speed = measure_speed(options.rounds) if options.only != "trouble" else {}
    trouble = observe_trouble() if options.only != "speed" else {}
    about = machine()
    print(", ".join(f"{name} {value}" for name, value in about.items()))
    for rows in (speed, trouble):
        print(f"\n{table(rows)}" if rows else "")
    if options.json:
        with open(options.json, "w") as file:
            json.dump({"machine": about, "speed": speed, "trouble": trouble}, file, indent=2, ensure_ascii=False)
    return None


if __name__ == "__main__":
    main()
