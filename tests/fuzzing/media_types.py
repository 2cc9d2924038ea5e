"""Teaches schemathesis msgpack, in which binary fields are bytes: it loads this file by `SCHEMATHESIS_HOOKS`."""

import base64
import binascii
from typing import Any

import msgspec
import schemathesis

BINARY_FIELDS = ("payload", "value")
LEAST_INTEGER, GREATEST_INTEGER = -(2**63), 2**64 - 1
"""That msgpack has."""


@schemathesis.serializer("application/x-msgpack")
def write(context: Any, value: Any) -> bytes:
    """A body, of what the schema for JSON generates."""
    return msgspec.msgpack.encode(_with_bytes(value))


@schemathesis.deserializer("application/x-msgpack")
def read(context: Any, response: Any) -> Any:
    """An answer, in the form that the schema for JSON describes."""
    return _with_text(msgspec.msgpack.decode(response.content))


def _with_bytes(value: Any) -> Any:
    if isinstance(value, list):
        return [_with_bytes(item) for item in value]
    if isinstance(value, dict):
        return {
            name: _bytes_of(item) if name in BINARY_FIELDS and isinstance(item, str) else _with_bytes(item)
            for name, item in value.items()
        }
    if isinstance(value, int):
        return max(LEAST_INTEGER, min(value, GREATEST_INTEGER))
    return value


def _bytes_of(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return text.encode(errors="replace")


def _with_text(value: Any) -> Any:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, list):
        return [_with_text(item) for item in value]
    if isinstance(value, dict):
        return {name: _with_text(item) for name, item in value.items()}
    return value
