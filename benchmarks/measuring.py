"""Speed and cost of one system, and what the machine is."""

import os
import platform
import statistics
import time
from collections.abc import Callable, Iterable
from importlib.metadata import PackageNotFoundError, version
from typing import Protocol

import psutil
from benchmarks.systems.base import System

WARM_UP = 200
TRIAL = 200
"""Tasks by which is found out how many make a run."""
RUN_SECONDS = 2.0
LARGEST_RUN = 50_000
CALLS = 200
CALL_SECONDS = 10.0
"""After which no more calls are made one at a time."""
SIZES = {"1 KB": (1_000, 2_000), "1 MB": (1_000_000, 60)}
"""Of payloads: bytes, and how many are echoed in one run."""

Figures = dict[str, float]


class Workload(Protocol):
    """What has a throughput: a part of `System`."""

    def noops(self, count: int) -> None: ...
    def processes(self) -> dict[str, int]: ...


def measure(system: System, sizes: Iterable[str] = SIZES) -> Figures:
    """Figures of a system that was started: rates, latencies, and CPU time by part."""
    system.noops(WARM_UP)
    figures = throughput(system, count_for(system)) | latency(system.call)
    for name in sizes:
        figures |= echo_rate(system, name)
    return figures


def count_for(system: Workload) -> int:
    """How many no-ops last about `RUN_SECONDS`."""
    seconds = timed(lambda: system.noops(TRIAL))
    return max(TRIAL, min(LARGEST_RUN, round(TRIAL / seconds * RUN_SECONDS)))


def throughput(system: Workload, count: int) -> Figures:
    """No-ops per second, and the CPU microseconds that each costs in every part."""
    before = cpu_seconds(system)
    seconds = timed(lambda: system.noops(count))
    after = cpu_seconds(system)
    costs = {f"CPU µs {part}": (after[part] - before[part]) / count * 1e6 for part in after}
    return {"tasks/s": count / seconds, "CPU µs": sum(costs.values()), **costs}


def latency(call: Callable[[], None]) -> Figures:
    """Milliseconds of calls, one at a time."""
    call()
    times: list[float] = []
    end = time.perf_counter() + CALL_SECONDS
    while len(times) < CALLS and time.perf_counter() < end:
        times.append(timed(call) * 1e3)
    return {"p50 ms": statistics.median(times), "p99 ms": percentile(times, 0.99)}


def echo_rate(system: System, size: str) -> Figures:
    """Megabytes per second that go there and back, counted once."""
    length, count = SIZES[size]
    payloads = [os.urandom(length) for _ in range(count)]
    system.echo(payloads[:2])
    seconds = timed(lambda: _check(system.echo(payloads) == payloads))
    return {f"MB/s {size}": length * count / seconds / 1e6}


def timed(act: Callable[[], object]) -> float:
    """Seconds that it takes."""
    started = time.perf_counter()
    act()
    return time.perf_counter() - started


def percentile(values: Iterable[float], share: float) -> float:
    """The value below which that share of the values lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def cpu_seconds(system: Workload) -> Figures:
    """CPU time used so far by the client, and by each part with what is below it. A pool's workers are the client's."""
    parts = {name: tree_seconds(pid) for name, pid in system.processes().items()}
    own = psutil.Process()
    return parts | {"client": tree_seconds(own.pid) - sum(parts.values())}


def tree_seconds(pid: int) -> float:
    """CPU time of a process and all below it, those that have ended too."""
    total = 0.0
    root = psutil.Process(pid)
    for process in [root, *root.children(recursive=True)]:
        try:
            times = process.cpu_times()
        except psutil.Error:
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total


def machine() -> dict[str, str | int]:
    """What the figures were measured on."""
    return {
        "cores": os.cpu_count() or 0,
        "processor": _processor(),
        "system": platform.platform(),
        "python": platform.python_version(),
    }


def versions(distributions: Iterable[str]) -> dict[str, str]:
    """Of installed distributions."""
    found = {}
    for name in distributions:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _processor() -> str:
    with open("/proc/cpuinfo") as lines:
        return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


def _check(holds: bool) -> None:
    assert holds, "what came back is not what was sent"
