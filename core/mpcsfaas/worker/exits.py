"""Why a child process is gone, and what that means for the attempt it ran."""

import platform
import signal
from enum import Enum, auto

from msgspec import Struct

from mpcsfaas.interfaces.strategy import Assignment
from mpcsfaas.model import Failure, FailureKind
from mpcsfaas.worker.limits import most_cpu_seconds

PYTHON_VERSION = ".".join(platform.python_version_tuple()[:2])
MIB = 1024 * 1024
TOLD_OF_CPU_LIMIT = 0.75
"""Of the last limit of CPU time, the part that a process may be said to have used that was killed for it.

On a machine that is itself a guest, the kernel enforces the limit by whole ticks, and tells the time really given.
"""


class Cause(Enum):
    """Why the pool replaces a child."""

    TIMEOUT = auto()
    CANCELLED = auto()
    RECYCLED = auto()
    """It has served long enough, holds too much memory, or has to make room for another tenant's."""
    TOO_MANY_PROCESSES = auto()
    """Its task started more processes than it may."""
    MISBEHAVED = auto()
    """It sent something that no child sends: the task wrote to its channel."""
    SLOW_START = auto()


class ChildExit(Struct, frozen=True):
    """How a child ended."""

    at: float = 0.0
    """Wall-clock seconds since the epoch."""
    code: int = 0
    """Exit code; negative for the signal that killed it."""
    peak_memory: int = 0
    """Bytes resident at most."""
    cpu_seconds: float = 0.0
    """That it used in all."""
    cpu_limit: int | None = None
    """Seconds that each task might use."""
    lost: str = ""
    """What happened to the fork server, if the child died of that."""
    stdout: str = ""
    stderr: str = ""

    @property
    def description(self) -> str:
        """One clause that names the signal or the exit code."""
        if self.code >= 0:
            return f"exited with code {self.code}"
        number = -self.code
        try:
            name = signal.Signals(number).name
        except ValueError:
            name = f"signal {number}"
        text = f"was killed by {name} ({signal.strsignal(number) or 'unknown'})"
        if number == signal.SIGXCPU and self.cpu_limit:
            text += f": the task had used up its {self.cpu_limit} s of CPU time (the worker's max_cpu_seconds)"
        elif number == signal.SIGKILL and self._used_up_cpu():
            text += f", probably because it had used {self.cpu_seconds:.1f} s of CPU time and ignored SIGXCPU"
            text += f" (the worker's max_cpu_seconds is {self.cpu_limit})"
        elif number == signal.SIGKILL:
            text += f", possibly because memory ran out: it had used {self.peak_memory // MIB} MiB"
        return text

    def _used_up_cpu(self) -> bool:
        if self.cpu_limit is None:
            return False
        return self.cpu_seconds >= TOLD_OF_CPU_LIMIT * most_cpu_seconds(self.cpu_limit)


def failure_of_exit(cause: Cause | None, child_exit: ChildExit, assignment: Assignment) -> Failure:
    """The failure of the attempt that a child was running when it ended."""
    if child_exit.lost:
        return Failure(FailureKind.WORKER_LOST, f"The process that starts the worker's children {child_exit.lost}")
    match cause:
        case Cause.TIMEOUT:
            return Failure(
                FailureKind.TIMEOUT,
                f"The task ran longer than its limit of {assignment.timeout:g} s and was killed.",
            )
        case Cause.TOO_MANY_PROCESSES:
            return Failure(
                FailureKind.CRASHED,
                "The task was killed because it had more processes running than the worker's max_processes allows.",
            )
        case Cause.MISBEHAVED:
            return Failure(
                FailureKind.CRASHED,
                "The task was killed because it wrote to descriptors that are the worker's own.",
            )
        case _:
            message = f"The process that ran the task {child_exit.description}.{_version_hint(assignment)}"
            return Failure(FailureKind.CRASHED, message)


def _version_hint(assignment: Assignment) -> str:
    written = assignment.function.python_version
    if not written or written == PYTHON_VERSION:
        return ""
    return f" The function was written by Python {written}, this worker is Python {PYTHON_VERSION}."
