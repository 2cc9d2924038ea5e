"""What every system is measured by."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, ClassVar

from benchmarks.systems.work import Function, echo, noop


class System(ABC):
    """One task system: its servers and workers run between `start` and `stop`, in processes of their own."""

    name: ClassVar[str]
    settings: ClassVar[str] = ""
    """How it is set up, where that is not its default."""
    distributions: ClassVar[Sequence[str]] = ()
    """Whose versions belong to the figures."""

    def __init__(self, folder: Path, workers: int) -> None:
        """`folder` is empty, and the system's own; it gets `workers` worker processes."""
        self.folder = folder
        self.workers = workers
        self.resources = ExitStack()

    @abstractmethod
    def start(self) -> None:
        """Return once it is ready to work. What has to be ended goes to `resources`."""

    @abstractmethod
    def noops(self, count: int) -> None:
        """Have `count` no-ops done by as many submissions, and collect every result."""

    @abstractmethod
    def call(self) -> None:
        """Have one no-op done, and wait for its result."""

    @abstractmethod
    def echo(self, payloads: Sequence[bytes]) -> list[bytes]:
        """Send payloads there and get them back, many at a time."""

    @abstractmethod
    def processes(self) -> dict[str, int]:
        """The process id of each part, apart from the client; what is below a process is counted with it."""

    def stop(self) -> None:
        """End everything."""
        self.resources.close()


class Mapper(System):
    """A system that is used by submitting calls of one function and collecting their results."""

    @abstractmethod
    def results(self, function: Function, arguments: Iterable[Any]) -> list[Any]:
        """Submit `function`, which is one of `work`, for each argument, and then collect every result in order."""

    def noops(self, count: int) -> None:
        assert self.results(noop, range(count)) == list(range(count))

    def call(self) -> None:
        assert self.results(noop, [1]) == [1]

    def echo(self, payloads: Sequence[bytes]) -> list[bytes]:
        return self.results(echo, payloads)
