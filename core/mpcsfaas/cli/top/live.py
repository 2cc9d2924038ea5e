"""Shows looks at the platform on the whole terminal, until a key ends it."""

import os
import sys
import threading
from collections.abc import Callable
from typing import NamedTuple

from rich.console import Console, ConsoleDimensions
from rich.live import Live

from mpcsfaas.cli.top.keyboard import Keyboard
from mpcsfaas.cli.top.look import Look
from mpcsfaas.cli.top.view import frame
from mpcsfaas.errors import MpcsfaasError

TICK = 0.1
"""Seconds after which a key press, a new look or another size of the terminal is noticed at the latest."""


class Seen(NamedTuple):
    """The latest look, and why there is no newer one, if there should be."""

    look: Look
    trouble: str = ""


class Watcher:
    """Looks again and again in a thread of its own, so that a gateway that does not answer holds up no key."""

    def __init__(self, look: Callable[[], Look], first: Look, interval: float) -> None:
        self.seen = Seen(first)
        self._look = look
        self._interval = interval
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="top", daemon=True)
        self.start, self.stop = self._thread.start, self._stopped.set

    def _watch(self) -> None:
        while not self._stopped.wait(self._interval):
            try:
                self.seen = Seen(self._look())
            except MpcsfaasError as error:
                self.seen = Seen(self.seen.look, f"No news: {error}")


def show_live(look: Callable[[], Look], first: Look, interval: float) -> None:
    """Show `first` and then a new look every `interval` seconds, until q or Ctrl-C."""
    console = Console()
    watcher = Watcher(look, first, interval)
    watcher.start()
    try:
        with Keyboard() as keyboard, Live(console=console, screen=True, auto_refresh=False) as live:
            _follow(watcher, keyboard, console, live)
    except KeyboardInterrupt:
        return
    finally:
        watcher.stop()


def _follow(watcher: Watcher, keyboard: Keyboard, console: Console, live: Live) -> None:
    shown = None
    while True:
        seen, size = watcher.seen, _size()
        if (seen, size) != shown:
            shown = (seen, size)
            console.size = size
            live.update(frame(seen.look, size.width, size.height, seen.trouble), refresh=True)
        if keyboard.wants_to_end(TICK):
            return


def _size() -> ConsoleDimensions:
    """That of the terminal itself: rich prefers what COLUMNS said when the shell began."""
    size = os.get_terminal_size(sys.stdout.fileno())
    return ConsoleDimensions(size.columns or 80, size.lines or 24)
