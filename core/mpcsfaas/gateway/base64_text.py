"""MIME base64, as the original system's clients write and read it."""

import base64
import binascii
import math

from mpcsfaas.gateway import problems


def decode(text: str) -> bytes:
    """The bytes of MIME base64, with or without newlines. Raises a 400 `Problem` for anything else."""
    try:
        letters = text.encode("ascii").translate(None, b"\r\n")
        data = binascii.a2b_base64(letters, strict_mode=True)
        if len(letters) != 4 * math.ceil(len(data) / 3):  # which the strict mode of Python 3.11 lets pass
            raise binascii.Error("Excess padding")
        return data
    except ValueError as error:
        raise problems.invalid_payload(f"The payload is not base64: {error}.") from None


def encode(data: bytes) -> str:
    """MIME base64: a newline every 76 characters and one at the end."""
    return base64.encodebytes(data).decode("ascii")
