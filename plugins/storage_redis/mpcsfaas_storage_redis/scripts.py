"""The Lua scripts: one file for each change, before each of which stands `common.lua`."""

import hashlib
from functools import cache
from importlib.resources import files
from typing import NamedTuple


class Script(NamedTuple):
    """A script as the server keeps it."""

    text: str
    digest: str


@cache
def load(name: str) -> Script:
    """The script of that name."""
    folder = files(__package__) / "lua"
    text = (folder / "common.lua").read_text() + (folder / f"{name}.lua").read_text()
    return Script(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


@cache
def names() -> tuple[str, ...]:
    """The names of all scripts, sorted."""
    found = {file.name.removesuffix(".lua") for file in (files(__package__) / "lua").iterdir()}
    return tuple(sorted(found - {"common"}))
