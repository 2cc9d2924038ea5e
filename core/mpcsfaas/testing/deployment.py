"""A platform whose parts are processes of their own, put together by a test, and gone with it."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

from mpcsfaas.curve import Keyring
from mpcsfaas.testing.platform import PlatformProcess, free_port


class Deployment:
    """Gateways, dispatchers and workers over one storage, each with a folder of its own in `folder`.

    The parts are given out not started; those that run when the `with` block is left are ended.
    """

    def __init__(self, folder: Path, mode: str, storage: str = "") -> None:
        """`mode` is the dispatch strategy; without `storage`, it is a file."""
        self.folder = folder
        self.mode = mode
        self.storage = storage or f"sqlite:///{folder}/tasks.db"
        self.workers_url = f"tcp://127.0.0.1:{free_port()}"
        self.keyring = Keyring(folder / "state" / "mpcsfaas")
        """The keys that dispatchers and workers share, as parts that one user starts on one machine."""
        self._parts: list[PlatformProcess] = []

    @property
    def url(self) -> str:
        """Of the gateway that was made first."""
        return next(part.url for part in self._parts if part.url)

    def gateway(self, *arguments: str, environment: dict[str, str] | None = None) -> PlatformProcess:
        """A gateway."""
        return self.part("serve", "--storage", self.storage, *arguments, environment=environment)

    def dispatcher(
        self, *arguments: str, workers_url: str = "", environment: dict[str, str] | None = None
    ) -> PlatformProcess:
        """A dispatcher, to whose address workers connect if they are not its own."""
        port = (workers_url or self.workers_url).rpartition(":")[2]
        listen = [] if self.mode == "local" else ["-p", port]
        words = ("-m", self.mode, *listen, "--storage", self.storage, *arguments)
        return self.part("dispatcher", *words, environment=environment)

    def worker(
        self, slots: int, *arguments: str, workers_url: str = "", environment: dict[str, str] | None = None
    ) -> PlatformProcess:
        """A worker that connects to a dispatcher."""
        address = workers_url or self.workers_url
        return self.part(f"{self.mode}-worker", str(slots), address, *arguments, environment=environment)

    def part(self, command: str, *arguments: str, environment: dict[str, str] | None = None) -> PlatformProcess:
        """Any command, in a folder of its own."""
        folder = self.folder / f"{command}-{len(self._parts)}"
        folder.mkdir()
        shared = {"XDG_STATE_HOME": str(self.folder / "state")} | (environment or {})
        self._parts.append(PlatformProcess(folder, *arguments, command=command, environment=shared))
        return self._parts[-1]

    def start(self) -> Self:
        """Start all parts side by side and wait until they are ready. Raises what `PlatformProcess.start` raises."""
        with ThreadPoolExecutor() as threads:
            list(threads.map(PlatformProcess.start, self._parts))
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with ThreadPoolExecutor() as threads:
            list(threads.map(lambda part: part.__exit__(kind, error, traceback), self._parts))
