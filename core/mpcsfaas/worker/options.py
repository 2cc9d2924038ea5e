"""Options of the process pool."""

import os

from pydantic import ByteSize, Field

from mpcsfaas.interfaces.options import PluginOptions

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
