"""A progress bar for whoever looks: on standard error of a terminal, or in the output of a notebook's cell."""

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

if TYPE_CHECKING:
    from rich.progress import Progress

REFRESH = 0.1
"""Seconds between two looks of a notebook's bar."""


class View(Protocol):
    """Where a bar is to be seen."""

    def start(self) -> None:
        """Show it."""

    def advance(self) -> None:
        """One more is done."""

    def stop(self) -> None:
        """Show it as it is in the end."""


class ProgressBar:
    """Counts steps. `shown` None means to somebody who looks; `total` None means that it is not known."""

    def __init__(self, total: int | None, shown: bool | None) -> None:
        self._total = total
        self._shown = (in_notebook() or sys.stderr.isatty()) if shown is None else shown
        self._view: View | None = None

    def __enter__(self) -> Self:
        if self._shown:
            progress = _rich_progress()
            self._view = NotebookView(progress, self._total) if in_notebook() else TerminalView(progress, self._total)
            self._view.start()
        return self

    def advance(self) -> None:
        """One more is done."""
        if self._view:
            self._view.advance()

    def __exit__(
        self, type_: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._view:
            self._view.stop()


class TerminalView:
    """Drawn by rich, by a thread of its own."""

    def __init__(self, progress: "Progress", total: int | None) -> None:
        self._progress = progress
        self._task = progress.add_task("", total=total)
        self.start = progress.start
        self.stop = progress.stop

    def advance(self) -> None:
        """One more is done."""
        self._progress.advance(self._task)


class NotebookView:
    """An output of the cell, written anew now and then. Rich's own way needs ipywidgets, and draws nothing without."""

    def __init__(self, progress: "Progress", total: int | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._progress = progress
        self._task = progress.add_task("", total=total)
        self._clock = clock
        self._due = 0.0
        self._output: Any = None

    def start(self) -> None:
        """Show it."""
        from IPython.display import display

        self._output = display(self._progress, display_id=True)  # type: ignore[no-untyped-call]

    def advance(self) -> None:
        """One more is done."""
        self._progress.advance(self._task)
        if self._clock() >= self._due:
            self._due = self._clock() + REFRESH
            self._output.update(self._progress)

    def stop(self) -> None:
        """Show it as it is in the end."""
        self._output.update(self._progress)


def in_notebook() -> bool:
    """True in a Jupyter kernel, whatever shows its output. Imports nothing: a kernel has IPython loaded."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return hasattr(shell, "kernel")


def _rich_progress() -> "Progress":
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn, TimeRemainingColumn

    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True))
