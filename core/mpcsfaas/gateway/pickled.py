"""The two pickles that classic answers need, written by hand: no process of the gateway ever loads a pickler.

Opcodes of protocol 2, which every Python 3 can load: see `pickletools` of the standard library.
"""

import struct

_PROTOCOL = b"\x80\x02"
_RUNTIME_ERROR = b"cbuiltins\nRuntimeError\n"
_TUPLE1, _REDUCE, _STOP = b"\x85", b"R", b"."


def _unicode(text: str) -> bytes:
    data = text.encode("utf-8", "surrogatepass")
    return b"X" + struct.pack("<I", len(data)) + data


def text(value: str) -> bytes:
    """The pickle of a string."""
    return _PROTOCOL + _unicode(value) + _STOP


def runtime_error(message: str) -> bytes:
    """The pickle of `RuntimeError(message)`."""
    return _PROTOCOL + _RUNTIME_ERROR + _unicode(message) + _TUPLE1 + _REDUCE + _STOP
