"""Worker processes that a dispatcher's process starts beside itself, so that one command shows it all."""

import asyncio
import ctypes
import logging
import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

from mpcsfaas.interfaces import DispatchStrategy, LinkedOptions
from mpcsfaas.settings import Settings

log = logging.getLogger(__name__)

STOP_SECONDS = 5.0
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)


class TrialWorkers:
    """As many as the strategy's option `workers` says. They end with this process, whatever ends it."""

    def __init__(self, strategy: DispatchStrategy | None, settings: Settings, config: Path | None) -> None:
        """`config` is the settings file for them, if it was named."""
        self._strategy = strategy
        self._settings = ["--state-dir", str(settings.state_dir)]
        self._settings += ["--insecure-plaintext"] if settings.insecure_plaintext else []
        self._settings += ["--config", str(config)] if config else []
        self._processes: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        """Start them; the strategy has to be started."""
        url = self._strategy.worker_url() if self._strategy else None
        if self._strategy is None or url is None or not isinstance(self._strategy.options, LinkedOptions):
            return
        command = [sys.executable, "-m", "mpcsfaas", "worker", "--plugin", self._strategy.name, "--url", url]
        command += self._settings
        for _ in range(self._strategy.options.workers):
            self._processes.append(
                subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    start_new_session=True,
                    preexec_fn=partial(_die_with, os.getpid()),
                )
            )

    async def stop(self) -> None:
        """End them; the dispatcher, which has ended, has waited for what they ran."""
        processes, self._processes = self._processes, []
        for process in processes:
            process.send_signal(signal.SIGTERM)
        await asyncio.gather(*(asyncio.to_thread(_bury, process) for process in processes))


def _bury(process: "subprocess.Popen[bytes]") -> None:
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        log.warning("Worker process %d does not end; killing it.", process.pid)
        process.kill()
        process.wait()


def _die_with(parent: int) -> None:
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # It died before the kernel was asked to tell us.
        os._exit(1)
