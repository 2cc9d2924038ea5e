"""The files that the page is made of, as they are sent."""

import hashlib
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from mimetypes import guess_type
from typing import NamedTuple

ROOT = "/assets/dashboard/"
"""Where they are; the page names them by this."""


class Asset(NamedTuple):
    """One file."""

    content: bytes
    media_type: str
    tag: str
    """Changes with the content."""


@cache
def assets() -> dict[str, Asset]:
    """All files by their paths below `ROOT`; read when somebody looks for the first time."""
    return {name: _asset(name, file.read_bytes()) for name, file in _files(files(__package__) / "assets", "")}


def _files(folder: Traversable, prefix: str) -> list[tuple[str, Traversable]]:
    found = []
    for entry in folder.iterdir():
        name = prefix + entry.name
        found += _files(entry, f"{name}/") if entry.is_dir() else [(name, entry)]
    return found


def _asset(name: str, content: bytes) -> Asset:
    media_type = guess_type(name)[0] or "application/octet-stream"
    return Asset(content, media_type, f'"{hashlib.sha256(content).hexdigest()[:16]}"')
