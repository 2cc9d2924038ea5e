"""The Lua scripts: one file for each change, before each of which stand those of the parts that its first line names.

Not all of them: the server makes every function anew each time that a script runs, which is most of a short one's cost.
"""

import hashlib
from functools import cache
from importlib.resources import files
from typing import NamedTuple

PARTS = "-- parts: "


class Script(NamedTuple):
    """A script as the server keeps it."""

    text: str
    digest: str


@cache
def load(name: str) -> Script:
    """The script of that name."""
    own = _read(f"{name}.lua")
    first = own.partition("\n")[0]
    parts = first.removeprefix(PARTS).split() if first.startswith(PARTS) else []
    text = "".join(_read(f"parts/{part}.lua") for part in ("base", *parts)) + own
    return Script(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


def _read(path: str) -> str:
    return (files(__package__) / "lua" / path).read_text()


@cache
def names() -> tuple[str, ...]:
    """The names of all scripts, sorted."""
    found = (files(__package__) / "lua").iterdir()
    return tuple(sorted(file.name.removesuffix(".lua") for file in found if file.name.endswith(".lua")))
