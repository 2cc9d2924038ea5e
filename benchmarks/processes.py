"""Processes of a benchmark: each in a session of its own, and gone in the end with all that it started."""

import ctypes
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import psutil

ROOT = Path(__file__).parent.parent
GRACE = 10.0
"""Seconds that a process has to end by itself."""
PR_SET_CHILD_SUBREAPER = 36


def program(name: str) -> str:
    """A command that is installed beside the running interpreter."""
    return str(Path(sys.executable).with_name(name))


def start(command: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
    """Start it so that it can import `benchmarks`; what it prints goes to `log`."""
    with log.open("ab") as output:
        return subprocess.Popen(
            command, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, stdin=subprocess.DEVNULL, stdout=output,
            stderr=output, start_new_session=True,
        )  # fmt: skip


def end(process: subprocess.Popen[bytes]) -> None:
    """Ask it to stop, and kill what is then left of it and of those below it."""
    below = _below(process.pid)
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(GRACE)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, 9)
    _kill(below)
    process.wait()


def adopt_orphans() -> None:
    """Make what loses its parent below this process a child of this one, so that `end_children` finds it."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)


def end_children() -> None:
    """Kill everything below this process."""
    _kill(_below(os.getpid()))


def _below(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _kill(processes: Sequence[psutil.Process]) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(processes, GRACE)
