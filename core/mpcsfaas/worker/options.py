"""Options of the process pool."""

import os

from pydantic import ByteSize, Field

from mpcsfaas.interfaces.options import PluginOptions
from mpcsfaas.worker.identity import Identity
from mpcsfaas.worker.limits import Limits

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


def _plain(size: ByteSize | None) -> int | None:
    return None if size is None else int(size)
