"""The options of `redis`, `rediss` and `unix`."""

from pydantic import Field

from mpcsfaas.interfaces.storage import StorageOptions


class RedisOptions(StorageOptions):
    """Options of `redis`, `rediss` and `unix`."""

    prefix: str = Field(
        "mpcsfaas",
        pattern=r"^[A-Za-z0-9_.:-]+$",
        description="All keys begin with {prefix}: and so several platforms can share one database",
    )
    timeout: float = Field(5.0, gt=0, description="Seconds to wait for a connection or an answer")
    poll_interval: float = Field(0.25, gt=0, description="Seconds between two looks while every wake-up is lost")
