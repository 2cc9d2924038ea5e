"""The checks of `mpcsfaas doctor` that concern this machine."""

import os
import platform
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from mpcsfaas.cli.findings import Finding, fail, ok, warn

OLDEST_PYTHON = (3, 11)
PARTS = ("cloudpickle", "dill", "fastapi", "msgspec", "pluggy", "pydantic", "typer", "urllib3", "uvicorn", "uvloop")
LITTLE_SPACE, TOO_LITTLE_SPACE = 2**30, 100 * 2**20
FEW_FILES, FEW_PROCESSES = 1024, 512
RELEASED = 1_735_689_600.0
"""The start of 2025: no clock of a running platform can be before that."""


def check_machine(state_dir: Path) -> Iterator[Finding]:
    """Everything that needs no settings but the state folder."""
    yield check_python()
    yield check_parts()
    yield check_state_folder(state_dir)
    yield check_keys(state_dir / "keys")
    yield check_disk(state_dir)
    yield check_shared_memory()
    yield check_clock()
    yield check_limit("open files", resource.RLIMIT_NOFILE, FEW_FILES, "ulimit -n")
    yield check_limit("processes", resource.RLIMIT_NPROC, FEW_PROCESSES, "ulimit -u")


def check_python() -> Finding:
    """The interpreter is new enough."""
    detail = f"{platform.python_version()} ({sys.executable})"
    if sys.version_info[:2] < OLDEST_PYTHON:
        return fail("python", detail, f"Use Python {'.'.join(map(str, OLDEST_PYTHON))} or newer.")
    return ok("python", detail)


def check_parts() -> Finding:
    """The libraries that we stand on are installed."""
    found, missing = [f"mpcsfaas {_own_version()}"], []
    for name in PARTS:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            missing.append(name)
    if missing:
        return fail("parts", f"not installed: {', '.join(missing)}", f"pip install {' '.join(missing)}")
    return ok("parts", ", ".join(found))


def _own_version() -> str:
    import mpcsfaas

    return mpcsfaas.__version__


def check_state_folder(folder: Path) -> Finding:
    """What must outlive a restart can be written, and others can't read it."""
    place = _nearest_existing(folder)
    try:
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        detail = f"{folder} cannot be written: {error.strerror}"
        return fail("state folder", detail, "Set MPCSFAAS_STATE_DIR to another, or change its permissions.")
    if place == folder and folder.stat().st_mode & 0o077:
        return warn("state folder", f"{folder} can be read by other users", f"chmod 700 {folder}")
    return ok("state folder", f"{folder} {'is' if place == folder else 'can be made and'} writable")


def check_keys(folder: Path) -> Finding:
    """Nobody else can take the keys of dispatcher and workers, or admit a worker."""
    if not folder.exists():
        return ok("worker keys", f"none in {folder} yet; they are made on first use")
    try:
        exposed = [path for path in (folder, *folder.rglob("*")) if path.stat().st_mode & 0o077]
    except OSError as error:
        return fail("worker keys", f"{folder} cannot be read: {error.strerror}", "Run this as the dispatcher's user.")
    if exposed:
        return fail("worker keys", f"open to other users: {', '.join(map(str, exposed))}", f"chmod -R go= {folder}")
    return ok("worker keys", f"in {folder}, for nobody else")


def check_disk(folder: Path) -> Finding:
    """There is room for tasks and results."""
    free = shutil.disk_usage(_nearest_existing(folder)).free
    detail = f"{free / 2**30:.1f} GiB free for {folder}"
    if free < TOO_LITTLE_SPACE:
        return fail("disk", detail, "Free some space: tasks will be refused when it is full.")
    return warn("disk", detail, "Free some space soon.") if free < LITTLE_SPACE else ok("disk", detail)


def _nearest_existing(folder: Path) -> Path:
    return next(place for place in (folder, *folder.parents) if place.exists())


def check_shared_memory() -> Finding:
    """Workers hand over large messages in memory files."""
    try:
        file = os.memfd_create("mpcsfaas-doctor", os.MFD_CLOEXEC)
        os.write(file, b"test")
        os.close(file)
    except OSError as error:
        return fail("memory files", f"memfd_create: {error.strerror}", "Allow it in the container's profile.")
    return ok("memory files", "work")


def check_clock() -> Finding:
    """Times of tasks are those of this clock."""
    if time.time() < RELEASED:
        return fail("clock", f"shows {time.ctime()}", "Set the clock: leases and deadlines depend on it.")
    return ok("clock", f"shows {time.ctime()}")


def check_limit(subject: str, limit: int, few: int, command: str) -> Finding:
    """As much as a platform with many connections and workers needs."""
    soft, hard = resource.getrlimit(limit)
    if soft == resource.RLIM_INFINITY:
        return ok(subject, "unlimited")
    if soft < few:
        most = "unlimited" if hard == resource.RLIM_INFINITY else hard
        return warn(subject, f"at most {soft}", f"Raise the limit: {command} {most}")
    return ok(subject, f"at most {soft}")
