"""`heartbeat`: a worker that has been silent for a fixed time is suspected."""

from itertools import takewhile
from typing import ClassVar

from pydantic import Field, model_validator

from mpcsfaas.hookspecs import hookimpl
from mpcsfaas.interfaces import FailureDetector, PluginOptions
from mpcsfaas_heartbeat.watched_time import WatchedTime

MPCSFAAS_API_VERSION = 1


class HeartbeatOptions(PluginOptions):
    """The fixed times."""

    interval: float = Field(default=1.0, gt=0, le=3600, description="Seconds between the beats of a worker.")
    limit: float = Field(
        default=5.0, gt=0, le=86_400, description="Seconds of silence after which a worker is suspected dead."
    )

    @model_validator(mode="after")
    def _check_limit(self) -> "HeartbeatOptions":
        if self.limit <= self.interval:
            raise ValueError(f"limit ({self.limit:g} s) must be over interval ({self.interval:g} s)")
        return self


class HeartbeatDetector(FailureDetector):
    """Suspects a worker after `limit` seconds of silence; exactly then, if it is asked at least once an interval."""

    name: ClassVar[str] = "heartbeat"
    Options: ClassVar[type[PluginOptions]] = HeartbeatOptions

    def __init__(self, options: HeartbeatOptions) -> None:
        super().__init__(options)
        self._interval = options.interval
        self._limit = options.limit
        self._time = WatchedTime(options.interval, options.limit)
        self._heard: dict[str, float] = {}
        """When each worker was last heard, longest ago first."""

    @property
    def interval(self) -> float:
        """As the option says."""
        return self._interval

    def beat(self, worker_id: str, now: float) -> None:
        """Move the worker to the end of the line."""
        self._heard.pop(worker_id, None)
        self._heard[worker_id] = self._time.advance(now)

    def forget(self, worker_id: str) -> None:
        """Take the worker out of the line."""
        self._heard.pop(worker_id, None)

    def suspects(self, now: float) -> list[str]:
        """Those at the head of the line, longest silence first."""
        self._time.advance(now)
        return list(takewhile(self._is_suspect, self._heard))

    def _is_suspect(self, worker_id: str) -> bool:
        return self._time.silence(self._heard[worker_id]) > self._limit


@hookimpl
def mpcsfaas_failure_detectors() -> list[type[FailureDetector]]:
    """One detector, `heartbeat`."""
    return [HeartbeatDetector]
