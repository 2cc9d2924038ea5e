"""Pickling of plain data at C speed. Imported on first use only, because it imports `pickle`."""

import pickle
from io import BytesIO
from typing import Any, NoReturn

PROTOCOL = 5
ATOMS = frozenset({type(None), bool, int, float, str, bytes})
"""Types, not their subclasses, that need no look inside: a result is often one, and costs a third then."""


class NotPlainError(Exception):
    """The value holds something other than the built-in data types."""


class PlainPickler(pickle.Pickler):
    """Pickles None, bool, int, float, str, bytes, bytearray, list, tuple, dict, set and frozenset; stops at all else.

    The C pickler asks `reducer_override` only for what it has no built-in way to write, so plain data pays nothing.
    """

    def reducer_override(self, value: Any) -> NoReturn:
        """Stop."""
        raise NotPlainError


def dumps_plain(value: Any) -> bytes | None:
    """The pickle of plain data, or None if `value` is not plain."""
    if type(value) in ATOMS:
        return pickle.dumps(value, PROTOCOL)
    buffer = BytesIO()
    try:
        PlainPickler(buffer, PROTOCOL).dump(value)
    except NotPlainError:
        return None
    return buffer.getvalue()
