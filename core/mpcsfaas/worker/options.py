"""Options of the process pool."""

import glob
import os
import tempfile
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import ByteSize, Field, model_validator

from mpcsfaas.interfaces.options import Inherited, PluginOptions
from mpcsfaas.settings import state_folder
from mpcsfaas.worker.identity import Identity
from mpcsfaas.worker.limits import Limits
from mpcsfaas.worker.sandbox import PLACES_OF_OTHERS, Bubblewrap, Mounts, Unconfined, needed_to_import

KIB = 1024
MIB = 1024 * KIB


class PoolOptions(PluginOptions):
    """How many child processes there are, what each may use, and when one is replaced."""

    workers: int = Field(
        default_factory=lambda: os.cpu_count() or 1,
        ge=1,
        le=4096,
        description="Slots: tasks that run at the same time.",
    )
    prefetch: int = Field(
        default=64, ge=0, le=1024, description="Most tasks held ready per slot; fewer are while tasks are long."
    )
    memory_limit: ByteSize | None = Field(
        default=None, ge=64 * MIB, description="Address space of one child in bytes; beyond it, tasks get MemoryError."
    )
    max_processes: int = Field(
        default=512, ge=1, description="Processes that one task may have running; beyond it, the task is killed."
    )
    max_cpu_seconds: int | None = Field(
        default=None, ge=1, description="CPU seconds that a task may use; beyond them, it is killed by SIGXCPU."
    )
    max_open_files: int | None = Field(
        default=None, ge=64, description="Files and sockets that one child may have open; beyond them, OSError."
    )
    max_file_size: ByteSize | None = Field(
        default=None, ge=MIB, description="Bytes of a file that a task writes, and of what it prints; beyond, OSError."
    )
    child_user: str | None = Field(
        default=None, min_length=1, description="User that tasks run as; the worker must run as root."
    )
    sandbox: Literal["bubblewrap"] | None = Field(
        default=None, description="What shuts tasks in: bubblewrap, or nothing; the program bwrap must be installed."
    )
    sandbox_network: bool = Field(default=True, description="Whether tasks in the sandbox reach the network.")
    sandbox_visible: tuple[str, ...] = Field(
        default=(), description="Files and folders that tasks in the sandbox may read, though they lie in a hidden one."
    )
    sandbox_writable: tuple[str, ...] = Field(
        default=(), description="Files and folders that tasks in the sandbox may change, beside their own folder."
    )
    sandbox_hidden: tuple[str, ...] = Field(
        default=(), description="Files and folders that tasks in the sandbox may not even read, beside home and /tmp."
    )
    recycle_after: int | None = Field(
        default=None, ge=1, description="Replace a child after this many tasks; 1 gives each task a fresh process."
    )
    recycle_memory: ByteSize | None = Field(
        default=None, ge=1, description="Replace a child that holds more than this many bytes of memory after a task."
    )
    max_result: ByteSize = Field(
        default=ByteSize(64 * MIB), ge=1, description="Largest serialised result of a task, in bytes."
    )
    max_output: ByteSize = Field(
        default=ByteSize(64 * KIB), ge=0, description="Bytes kept of what a task prints, for stdout and stderr each."
    )
    path: tuple[str, ...] = Field(default=(), description="Folders from which tasks may import modules.")
    environment: tuple[str, ...] = Field(
        default=(), description="Names of further environment variables that tasks may see."
    )

    state_dir: Annotated[Path, Inherited()] = Field(default_factory=state_folder, description="Hidden in a sandbox.")
    storage: Annotated[str, Inherited()] = Field(default="", description="Hidden in a sandbox, if it is a file.")
    worker_key: Annotated[Path | None, Inherited()] = Field(default=None, description="Hidden in a sandbox.")
    seal_key: Annotated[Path | None, Inherited()] = Field(default=None, description="Hidden in a sandbox.")

    @model_validator(mode="after")
    def _check_sandbox(self) -> Self:
        """Nobody is to believe in a sandbox that there is not."""
        given = not self.sandbox_network or self.sandbox_visible or self.sandbox_writable or self.sandbox_hidden
        if given and self.sandbox is None:
            raise ValueError("without sandbox=bubblewrap it would do nothing; give that as well")
        if missing := [path for path in (*self.sandbox_visible, *self.sandbox_writable) if not os.path.exists(path)]:
            raise ValueError(f"there is no {missing[0]}, which tasks in the sandbox are to have")
        return self

    @property
    def limits(self) -> Limits:
        """What the kernel is to enforce on each child."""
        return Limits(
            memory=_plain(self.memory_limit),
            cpu_seconds=self.max_cpu_seconds,
            open_files=self.max_open_files,
            file_size=_plain(self.max_file_size),
        )

    def identity(self) -> Identity | None:
        """Whose children are to be, if not the worker's own. Raises `SettingsError` if they cannot be."""
        return None if self.child_user is None else Identity.of(self.child_user)

    def confinement(self) -> Unconfined:
        """What there is to be around the children."""
        if self.sandbox is None:
            return Unconfined()
        needed = (*needed_to_import(os.environ), os.path.realpath("/etc/resolv.conf"))
        hidden = (*self._secrets(), *self.sandbox_hidden)
        mounts = Mounts(needed, hidden, (*self.path, *self.sandbox_visible), self.sandbox_writable)
        return Bubblewrap(mounts, self.sandbox_network, self.child_user is not None)

    def _secrets(self) -> list[str]:
        """Where the platform and its users have what is no task's."""
        folders = [*PLACES_OF_OTHERS, os.path.expanduser("~"), tempfile.gettempdir(), str(self.state_dir)]
        database = glob.glob(f"{glob.escape(urlsplit(self.storage).path)}*") if "://" in self.storage else []
        return [*folders, *database, *(str(key) for key in (self.worker_key, self.seal_key) if key)]


def _plain(size: ByteSize | None) -> int | None:
    return None if size is None else int(size)
