"""From a URL to a file that is there and is ours alone."""

import os
from pathlib import Path

from mpcsfaas.errors import SettingsError, StorageUnavailable

PREFIX = "sqlite:///"


def path_of(url: str) -> Path:
    """The absolute path that a URL names. Raises `SettingsError`."""
    name = url.removeprefix(PREFIX)
    if name == url:
        raise SettingsError(f"storage URL {url!r} is not of the form sqlite:///relative.db or sqlite:////absolute.db")
    if name == ":memory:":
        raise SettingsError("sqlite keeps a file; for a storage without one, use memory://")
    if not name or name.endswith("/"):
        raise SettingsError(f"storage URL {url!r} names no file; write sqlite:///name.db")
    if any(character in name for character in "?#\0"):
        raise SettingsError(f"storage URL {url!r} has a part after the path; give options by their own flags")
    return Path(name).absolute()


def prepare(path: Path) -> None:
    """Make the file and its folders, readable by nobody else. Raises `SettingsError` or `StorageUnavailable`."""
    if path.is_dir():
        raise SettingsError(f"storage path {path} is a folder; name a file in it")
    try:
        for folder in reversed([parent for parent in path.parents if not parent.exists()]):
            folder.mkdir(mode=0o700, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except (FileExistsError, NotADirectoryError) as error:
        raise SettingsError(f"storage path {path} leads through a file: {error.strerror}") from error
    except OSError as error:
        raise StorageUnavailable(f"storage file {path} cannot be opened for writing: {error.strerror}") from error
