"""What a long-running command tells the outside once it is ready: a file."""

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import TypedDict


class Announcement(TypedDict):
    """What a ready file says."""

    url: str | None
    pid: int


def announce(path: Path, announcement: Announcement) -> None:
    """Write the file in one step, so that whoever waits for it never reads half."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.write_text(json.dumps(announcement))
    draft.replace(path)


def withdraw(path: Path) -> None:
    """Remove the file, unless another process has written its own meanwhile."""
    with suppress(OSError, ValueError):
        if json.loads(path.read_text())["pid"] == os.getpid():
            path.unlink()
