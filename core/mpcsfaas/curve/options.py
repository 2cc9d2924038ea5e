"""What decides which key is used."""

import logging
from pathlib import Path
from typing import Annotated

from pydantic import Field

from mpcsfaas.curve.key_files import WorkerKey, read
from mpcsfaas.curve.keyring import Keyring
from mpcsfaas.interfaces import Inherited, LinkedOptions
from mpcsfaas.settings import state_folder

log = logging.getLogger(__name__)


class CurveOptions(LinkedOptions):
    """Options of every strategy whose workers connect over ZMQ: the platform's settings about keys."""

    state_dir: Annotated[Path, Inherited()] = Field(default_factory=state_folder, description="Folder of the keys.")
    worker_key: Annotated[Path | None, Inherited()] = Field(default=None, description="Key file of a worker.")
    insecure_plaintext: Annotated[bool, Inherited()] = Field(default=False, description="Do without keys over TCP.")

    def keyring(self, url: str) -> Keyring | None:
        """The keys of a dispatcher that listens there; None if it is to do without."""
        return None if self._is_open(url) else Keyring(self.state_dir)

    def key(self, url: str) -> WorkerKey | None:
        """The key of a worker that connects there; None if it is to do without. Raises `SettingsError`."""
        if self._is_open(url):
            return None
        return read(self.worker_key, WorkerKey) if self.worker_key else Keyring(self.state_dir).own_key()

    def _is_open(self, url: str) -> bool:
        """Whether no keys are used: a socket file has its mode instead."""
        if url.startswith("ipc://"):
            return True
        if self.insecure_plaintext:
            log.warning("No keys are used at %s: whoever can reach it can be a worker, and see every task.", url)
        return self.insecure_plaintext
