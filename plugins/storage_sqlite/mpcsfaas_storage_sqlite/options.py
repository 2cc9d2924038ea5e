"""The options of `sqlite`."""

from enum import StrEnum

from pydantic import Field

from mpcsfaas.interfaces.storage import StorageOptions


class Synchronous(StrEnum):
    """When a change is pressed onto the disk."""

    FULL = "full"
    NORMAL = "normal"


class SqliteOptions(StorageOptions):
    """Options of `sqlite`."""

    synchronous: Synchronous = Field(
        Synchronous.FULL,
        description="full: what was accepted survives a power cut; normal: it survives the death of processes only",
    )
    busy_timeout: float = Field(5.0, gt=0, description="Seconds to wait for another process that is writing")
