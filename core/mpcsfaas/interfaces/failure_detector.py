"""Who is suspected dead, decided from heartbeats and a clock that is handed in."""

from abc import ABC, abstractmethod
from typing import ClassVar

from mpcsfaas.interfaces.options import PluginOptions


class FailureDetector(ABC):
    """A pure state machine: no clock, no sockets, no threads. `now` is monotonic seconds and never decreases."""

    name: ClassVar[str]
    Options: ClassVar[type[PluginOptions]] = PluginOptions

    def __init__(self, options: PluginOptions) -> None:
        self.options = options

    @property
    @abstractmethod
    def interval(self) -> float:
        """Seconds between the beats that workers are asked to send."""

    @abstractmethod
    def beat(self, worker_id: str, now: float) -> None:
        """Note a sign of life; the first one makes the worker known. Clears suspicion."""

    @abstractmethod
    def forget(self, worker_id: str) -> None:
        """Stop watching a worker. Forgetting an unknown worker does nothing."""

    @abstractmethod
    def suspects(self, now: float) -> list[str]:
        """Known workers that are suspected dead at `now`, in a stable order.

        If the caller itself has not called for longer than the limit (it was stopped), nobody may be suspected until
        the workers have had the time for another beat.
        """
