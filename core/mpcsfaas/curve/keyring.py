"""The keys in a state folder: the dispatcher's, whom it admits, and that of the same user's workers.

keys/dispatcher.key         the dispatcher's key
keys/workers/NAME.pub       a worker that is admitted
keys/own/worker.key         the key of workers that have no other, admitted as `local`
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mpcsfaas.curve.allow_list import AllowList
from mpcsfaas.curve.key_files import (
    PRIVATE_FOLDER,
    DispatcherKey,
    WorkerKey,
    check_name,
    check_private,
    new_pair,
    read,
    write,
)
from mpcsfaas.errors import SettingsError

LOCAL = "local"


class Keyring:
    """Makes the keys that are missing, so that all who start at once agree on them."""

    def __init__(self, state_dir: Path) -> None:
        """Nothing is read or made yet."""
        self.folder = state_dir / "keys"
        self.allow_list = AllowList(self.folder / "workers")
        self.dispatcher_file = self.folder / "dispatcher.key"
        self.own_file = self.folder / "own" / "worker.key"

    def dispatcher_key(self) -> DispatcherKey:
        """The dispatcher's key. That of the same user's workers is made as well. Raises `SettingsError`."""
        with self._locked():
            dispatcher = self._dispatcher_key()
            self._own_key(dispatcher)
            return dispatcher

    def own_key(self) -> WorkerKey:
        """The key of this user's workers on this machine. Raises `SettingsError`."""
        with self._locked():
            return self._own_key(self._dispatcher_key())

    def create(self, name: str, file: Path) -> WorkerKey:
        """Make a worker's key, admit it, and write it to a file that is new. Raises `SettingsError`."""
        check_name(name)
        with self._locked():
            self.allow_list.look()
            if name in self.allow_list.names().values():
                raise SettingsError(f"There is a worker key {name!r} already. Choose another name, or revoke that one.")
            if file.exists():
                raise SettingsError(f"{file} is there already. Choose another --file, or remove it.")
            return self._admit(name, self._dispatcher_key(), file)

    def revoke(self, name: str) -> None:
        """Admit a worker no longer. Raises `SettingsError` if there is none of the name."""
        with self._locked():
            try:
                self.allow_list.remove(check_name(name))
            except FileNotFoundError:
                raise SettingsError(
                    f"There is no worker key {name!r} in {self.allow_list.folder}. See: mpcsfaas worker-keys list"
                ) from None

    def _own_key(self, dispatcher: DispatcherKey) -> WorkerKey:
        if self.own_file.exists():
            key = read(self.own_file, WorkerKey)
            if key.dispatcher_key == dispatcher.public_key:
                return key
            self.own_file.unlink()
        with suppress(FileNotFoundError):
            self.allow_list.remove(LOCAL)  # Its file was never finished, or is lost.
        return self._admit(LOCAL, dispatcher, self.own_file)

    def _dispatcher_key(self) -> DispatcherKey:
        if not self.dispatcher_file.exists():
            key = DispatcherKey(*new_pair())
            write(self.dispatcher_file, key, "The key by which workers know their dispatcher. Keep it secret.")
        return read(self.dispatcher_file, DispatcherKey)

    def _admit(self, name: str, dispatcher: DispatcherKey, file: Path) -> WorkerKey:
        """The worker's file comes last: where it is, all is done."""
        key = WorkerKey(name, *new_pair(), dispatcher.public_key)
        file.parent.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
        self.allow_list.add(name, key.public_key)
        try:
            write(file, key, f'The key of the worker "{name}". Whoever has this file can work as it: keep it secret.')
        except OSError:
            self.allow_list.remove(name)
            raise
        return key

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Whoever comes second finds everything made. Errors of files become `SettingsError`."""
        try:
            for folder in (self.folder.parent, self.folder):
                folder.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
            lock = os.open(self.folder, os.O_RDONLY)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX)
                check_private(self.folder)
                yield
            finally:
                os.close(lock)
        except OSError as error:
            raise SettingsError(
                f"Keys for workers cannot be kept in {self.folder}: {error.strerror}: {error.filename}. Set "
                "MPCSFAAS_STATE_DIR to a folder that can be written, or give a worker its key file: --worker-key FILE. "
                "Where everybody in the network can be trusted, --insecure-plaintext does without keys."
            ) from error
