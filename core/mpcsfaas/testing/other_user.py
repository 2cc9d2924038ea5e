"""Requests that another user of this machine makes."""

import os
import subprocess
import sys
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest

NOBODY = 65534
STRANGER = 54321
"""A user without a name, like one of another container."""

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="Only root can send a request as another user.")

# It imports everything first, as the other user may not be able to read this interpreter.
_SCRIPT = """
import encodings.idna, os, socket, sys
host, port, uid = sys.argv[1:]
os.setgroups([]); os.setgid(int(uid)); os.setuid(int(uid))
connection = socket.create_connection((host, int(port)), 30)
connection.sendall(sys.stdin.buffer.read())
while data := connection.recv(65536):
    sys.stdout.buffer.write(data)
"""


class Answer(NamedTuple):
    """What came back."""

    status: int
    text: str
    """Headers and body."""


def request_as(uid: int, url: str, method: str, path: str, body: bytes = b"", **headers: str) -> Answer:
    """Send a request as another user, over a connection of its own; underscores in names of headers are hyphens."""
    parts = urlsplit(url)
    words = [sys.executable, "-I", "-S", "-c", _SCRIPT, parts.hostname or "", str(parts.port), str(uid)]
    done = subprocess.run(words, input=_message(method, path, body, headers), stdout=subprocess.PIPE, check=True)
    text = done.stdout.decode(errors="replace")
    return Answer(int(text.split(" ", 2)[1]), text)


def _message(method: str, path: str, body: bytes, headers: Mapping[str, str]) -> bytes:
    """An HTTP request after which the connection is closed."""
    fields = {"Host": "localhost", "Connection": "close", "Content-Type": "application/json", **headers}
    lines = [f"{method} {path} HTTP/1.1", *(f"{name.replace('_', '-')}: {text}" for name, text in fields.items())]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body
