"""The functions that may be registered, where not all may."""

from pathlib import Path
from uuid import UUID

from mpcsfaas.errors import SettingsError


def read_allow_list(path: Path) -> frozenset[str]:
    """The function ids in a file: one a line; what follows a `#` is a comment. Raises `SettingsError`.

    An id is made of the function's content, so it allows that content and nothing else.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"The list of functions {path} cannot be read: {error}. Correct --allow-functions."
        ) from error
    return frozenset(
        _id_of(text, f"{path}, line {number}")
        for number, line in enumerate(lines, 1)
        if (text := line.partition("#")[0].strip())
    )


def _id_of(text: str, place: str) -> str:
    try:
        return str(UUID(text))
    except ValueError:
        raise SettingsError(f"{text!r} in {place} is no function id. Write one id a line.") from None
