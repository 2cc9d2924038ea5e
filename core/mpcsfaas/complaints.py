"""Warnings about what others do wrong, who may do it as often as they like."""

import logging
import time

PAUSE_SECONDS = 10.0


class Complaints:
    """Logs the first warning, and then no more than one in ten seconds."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._silent_until = 0.0

    def warn(self, message: str, *arguments: object) -> None:
        """Log it, unless one was logged a moment ago."""
        now = time.monotonic()
        if now >= self._silent_until:
            self._silent_until = now + PAUSE_SECONDS
            self._log.warning(message, *arguments)
