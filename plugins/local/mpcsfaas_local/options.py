"""Options of the `local` strategy."""

from pydantic import Field

from mpcsfaas.worker.options import PoolOptions


class LocalOptions(PoolOptions):
    """The process pool's options, and the labels that tasks may ask for."""

    labels: tuple[str, ...] = Field(default=(), description="Labels of this machine; a task may demand some.")
