"""Where the fork server and all below it run: beside the worker, or shut in by bubblewrap."""

import os
import shutil
import site
import subprocess
import sys
import tempfile
from collections.abc import Container, Iterable, Mapping, Sequence
from enum import StrEnum, auto
from pathlib import Path

from msgspec import Struct

from mpcsfaas.errors import SettingsError
from mpcsfaas.worker import process_tree

PLACES_OF_OTHERS = ("/tmp", "/var/tmp", "/run", "/home", "/root")
"""Where users, programs and services keep what is theirs, sockets included."""
CHILD_USER_CAPABILITIES = ("CAP_SETUID", "CAP_SETGID", "CAP_CHOWN", "CAP_KILL", "CAP_DAC_OVERRIDE")
"""What the fork server needs to turn children into another user, and to kill them; the children lose it thereby."""
PROBE_SECONDS = 20.0
KILLED = 128
"""What bubblewrap adds to the number of the signal that killed its program."""


class Unconfined:
    """Nothing around the fork server."""

    def check(self) -> None:
        """Raises `SettingsError` if it cannot be had on this machine. Blocks."""

    def command(self, program: Sequence[str], folder: Path) -> list[str]:
        """The command that runs `program`, and lets it write below `folder`."""
        return list(program)

    def parent(self) -> int:
        """What the fork server sees as its parent for as long as this process lives."""
        return os.getpid()

    def process(self, server: int, process: int) -> int:
        """The id that this process knows a child by; 0 if there is no such. `server` is the command's process."""
        return process

    def exit_code(self, code: int) -> int:
        """The fork server's, from the command's; negative for the signal that killed it."""
        return code


class Bubblewrap(Unconfined):
    """A file system that can be read in part and not be written, a process table of its own, and maybe no network.

    The fork server is the first process of its namespace: when it dies, or bubblewrap or the worker do, the kernel
    kills all that is in there.
    """

    def __init__(self, mounts: "Mounts", network: bool, other_user: bool) -> None:
        """`other_user` if children are to be one."""
        self._mounts = mounts
        self._network = network
        self._other_user = other_user

    def check(self) -> None:
        """Raises `SettingsError` if bubblewrap is missing, or may not do on this machine what it is to do."""
        if shutil.which("bwrap") is None:
            raise SettingsError(
                "sandbox=bubblewrap needs the program bwrap, and PATH has none. "
                "Install it (apt install bubblewrap), or leave sandbox out."
            )
        with tempfile.TemporaryDirectory() as folder:
            command = self.command([sys.executable, "-I", "-S", "-c", ""], Path(folder))
            try:
                done = subprocess.run(command, capture_output=True, text=True, timeout=PROBE_SECONDS)
            except subprocess.TimeoutExpired:
                raise SettingsError(f"sandbox=bubblewrap: bwrap did not end within {PROBE_SECONDS:g} s.") from None
        if done.returncode:
            raise SettingsError(
                f"sandbox=bubblewrap does not work on this machine: {done.stderr.strip() or done.returncode}. "
                "The kernel must let the worker's user make namespaces (sysctl user.max_user_namespaces, "
                "kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns), and mount a /proc: "
                "no RestrictNamespaces=, ProtectKernelTunables= or ProtectKernelLogs= of systemd, no container that "
                "masks parts of it. "
                "Or leave sandbox out."
            )

    def command(self, program: Sequence[str], folder: Path) -> list[str]:
        """As bubblewrap's program."""
        words = ["bwrap", "--die-with-parent", "--as-pid-1", "--unshare-pid", "--unshare-ipc"]
        words += [] if self._network else ["--unshare-net"]
        words += ["--cap-drop", "ALL"]
        for capability in CHILD_USER_CAPABILITIES if self._other_user else ():
            words += ["--cap-add", capability]
        words += self._mounts.words(str(folder))
        return [*words, "--chdir", str(folder), "--", *program]

    def parent(self) -> int:
        """None that it could see."""
        return 0

    def process(self, server: int, process: int) -> int:
        """The child's id out here: what it tells is its id in its namespace."""
        for first in process_tree.children(server):
            for look in (process_tree.children, process_tree.children_for_certain):
                for child in look(first):
                    if process_tree.innermost_id(child) == process:
                        return child
        return 0

    def exit_code(self, code: int) -> int:
        """What bubblewrap tells of a signal as a shell does."""
        return KILLED - code if code > KILLED else code


class Access(StrEnum):
    """What there is to be had of a path in a sandbox."""

    HIDDEN = auto()
    VISIBLE = auto()
    WRITABLE = auto()


class Mounts(Struct, frozen=True):
    """Who sees what of the file system: all of it can be read, but what is hidden, and nothing written.

    Of two that lie within each other the inner one counts; of the same path, the last of these here.
    """

    needed: tuple[str, ...]
    """To be readable."""
    hidden: tuple[str, ...]
    visible: tuple[str, ...]
    writable: tuple[str, ...]

    def words(self, folder: str) -> list[str]:
        """Arguments of bubblewrap, for tasks that live in `folder`."""
        words = ["--ro-bind", "/", "/", "--dev", "/dev", "--perms", "1777", "--tmpfs", "/dev/shm", "--proc", "/proc"]
        accesses = self._accesses(folder)
        for path, access in accesses.items():
            for parent in _parents_to_make(path, accesses):
                words += ["--dir", parent]
            words += _mount(path, access)
        closed = [path for path, access in accesses.items() if access is Access.HIDDEN and os.path.isdir(path)]
        for path in (*closed, "/dev", "/proc"):  # root, even without capabilities, may write much in /proc
            words += ["--remount-ro", path]
        return words

    def _accesses(self, folder: str) -> dict[str, Access]:
        """What differs from the folder around it; outer ones first."""
        wanted = {name: Access.VISIBLE for name in _names(self.needed)}
        wanted |= {name: Access.HIDDEN for name in _names(self.hidden)}
        wanted |= {name: Access.VISIBLE for name in _names(self.visible)}
        wanted |= {name: Access.WRITABLE for name in _names((*self.writable, folder))}
        different: dict[str, Access] = {}
        for path in sorted(wanted, key=lambda path: Path(path).parts):
            around = different.get(_nearest(path, different), Access.VISIBLE)
            is_link = os.path.realpath(path) != path  # nothing can be mounted on one; where all is hidden, none is left
            if wanted[path] is not around and (around is Access.HIDDEN or not is_link):
                different[path] = wanted[path]
        return different


def _names(paths: Iterable[str]) -> set[str]:
    """With and without symbolic links, of what there is."""
    return {name for path in paths if os.path.exists(path) for name in (os.path.abspath(path), os.path.realpath(path))}


def _nearest(path: str, folders: Container[str]) -> str:
    """The innermost of `folders` that `path` lies in; empty if none."""
    return next((str(parent) for parent in Path(path).parents if str(parent) in folders), "")


def _parents_to_make(path: str, accesses: Mapping[str, Access]) -> list[str]:
    """What bubblewrap would make for root only: the folders between `path` and the hidden one it lies in."""
    around = _nearest(path, accesses)
    if accesses.get(around) is not Access.HIDDEN:
        return []
    return [str(parent) for parent in reversed(Path(path).parents) if Path(around) in parent.parents]


def _mount(path: str, access: Access) -> list[str]:
    match access:
        case Access.VISIBLE:
            return ["--ro-bind", path, path]
        case Access.WRITABLE:
            return ["--dev-bind" if Path(path).is_relative_to("/dev") else "--bind", path, path]
        case Access.HIDDEN:
            return ["--tmpfs", path] if os.path.isdir(path) else ["--ro-bind", "/dev/null", path]


def needed_to_import(environment: Mapping[str, str]) -> list[str]:
    """What must be readable for Python and modules to be found, wherever they are installed."""
    inherited = sys.path if sys.flags.safe_path else sys.path[1:]  # the first is the program's own folder, or `.`
    prefixes = [sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix]
    user_site = [site.getusersitepackages()] if site.ENABLE_USER_SITE else []
    python_path = [part for part in environment.get("PYTHONPATH", "").split(os.pathsep) if part]
    return [*prefixes, *_interpreter(), *inherited, *user_site, *python_path]


def _interpreter() -> list[str]:
    """The folders that the links from the interpreter's name to its file lead through."""
    name, folders = sys.executable, [os.path.dirname(sys.executable)]
    while os.path.islink(name):
        name = os.path.normpath(os.path.join(os.path.dirname(name), os.readlink(name)))
        folders.append(os.path.dirname(name))
    return folders
