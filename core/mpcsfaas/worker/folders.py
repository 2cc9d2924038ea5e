"""The private folders of children, below one that the pool holds locked, so that those of a killed pool are found."""

import fcntl
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

PREFIX = "mpcsfaas-pool-"


class PoolFolder:
    """A folder for one pool, made on construction; one below it for each child."""

    def __init__(self, passable: bool = False) -> None:
        """`passable` if children are another user's: they may pass, to a folder whose name they know, and not look."""
        _remove_abandoned(Path(tempfile.gettempdir()))
        new = Path(tempfile.mkdtemp(prefix=f".{PREFIX}"))
        self._lock = _lock(new)  # before it has a name by which others could take it for abandoned
        new.chmod(0o711 if passable else 0o700)
        self.path = new.rename(new.with_name(new.name.lstrip(".")))

    def new(self, child: int) -> Path:
        """Make a folder for a child."""
        folder = self.path / str(child)
        folder.mkdir(mode=0o700)
        return folder

    def remove(self) -> None:
        """Delete everything; may take long."""
        shutil.rmtree(self.path, ignore_errors=True)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _remove_abandoned(parent: Path) -> None:
    """Delete what pools have left that were killed: folders of this user that nobody holds locked."""
    for path in parent.glob(f"{PREFIX}*"):
        with suppress(OSError):  # gone meanwhile, or not ours
            if path.lstat().st_uid == os.getuid() and (lock := _lock(path)) is not None:
                shutil.rmtree(path, ignore_errors=True)
                os.close(lock)


def _lock(path: Path) -> int | None:
    """A descriptor that holds the lock, or None if somebody else does."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor
