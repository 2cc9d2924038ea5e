"""Whom a dispatcher admits: a folder with a file for each worker's public key, named after it.

The folder is the truth: what is added to it, or removed, counts from the next look on.
"""

import logging
import os
from collections.abc import Callable, Collection
from pathlib import Path

from mpcsfaas.curve.key_files import NAME, PRIVATE_FOLDER, PublicKey, read, write
from mpcsfaas.errors import SettingsError

log = logging.getLogger(__name__)

SUFFIX = ".pub"


class AllowList:
    """The names of the workers' keys. What cannot be read admits nobody."""

    def __init__(self, folder: Path) -> None:
        """Nothing is read before the first `look`."""
        self.folder = folder
        self.on_removal: Callable[[Collection[str]], None] = lambda names: None
        """Called with the names whose keys a look finds to be no longer admitted."""
        self._seen: frozenset[tuple[str, int, int]] = frozenset()
        self._names: dict[str, str] = {}

    def name_of(self, public_key: str) -> str | None:
        """Whose key it is, as of the last look; None if nobody's who is admitted."""
        return self._names.get(public_key)

    def names(self) -> dict[str, str]:
        """Names by public key, as of the last look."""
        return dict(self._names)

    def look(self) -> None:
        """See what has changed."""
        files = self._files()
        seen = frozenset((path.name, status.st_mtime_ns, status.st_ino) for path, status in files)
        if seen != self._seen:
            before, self._seen = self._names, seen
            self._names = {key: path.stem for path, _ in files if (key := _key_in(path))}
            removed = {name for key, name in before.items() if self._names.get(key) != name}
            if removed:
                self.on_removal(removed)

    def add(self, name: str, public_key: str) -> None:
        """Admit a worker with this key. Raises `OSError`: `FileExistsError` if somebody has the name."""
        self.folder.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
        write(self.folder / f"{name}{SUFFIX}", PublicKey(public_key), f'The worker "{name}" is admitted with this key.')

    def remove(self, name: str) -> None:
        """Admit it no longer. Raises `OSError`: `FileNotFoundError` if nobody has the name."""
        (self.folder / f"{name}{SUFFIX}").unlink()

    def _files(self) -> list[tuple[Path, os.stat_result]]:
        try:
            paths = [path for path in self.folder.glob(f"*{SUFFIX}") if NAME.fullmatch(path.stem)]
            return [(path, path.stat()) for path in paths]
        except OSError:
            return []


def _key_in(path: Path) -> str | None:
    try:
        return read(path, PublicKey).public_key
    except SettingsError as error:
        log.warning("%s Until then, nobody is admitted as %r.", error, path.stem)
        return None
