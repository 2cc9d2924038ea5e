"""What is told of an attempt that failed: text for everyone, and the exception itself where it can travel."""

import traceback
from types import TracebackType

from mpcsfaas.interfaces.serializer import Serializer
from mpcsfaas.model import Failure, FailureKind

TEXT_LIMIT = 64 * 1024
"""Characters kept of a message or traceback."""
OUR_PACKAGES = ("mpcsfaas.worker.", "asyncio.")
"""Whose frames, at the top of a traceback, are not the user's."""


def failure_of(error: BaseException, kind: FailureKind, message: str = "") -> Failure:
    """A failure that tells of `error`; its `message` is the exception's text unless another is given."""
    return Failure(
        kind,
        shorten(message or text_of(error) or type_name(type(error))),
        type=type_name(type(error)),
        traceback=shorten(traceback_of(error)),
    )


def exception_value(error: BaseException, serializer: Serializer, limit: int) -> bytes:
    """The serialised exception, proven to come back as itself; else a `RuntimeError` that tells of it.

    Empty if the serializer carries data only.
    """
    if not serializer.carries_functions:
        return b""
    try:
        value = serializer.dumps(error)
        if len(value) <= limit and type_name(type(serializer.loads(value))) == type_name(type(error)):
            return value
    except BaseException:  # the exception's own code runs here, and may do anything
        pass
    text = shorten(f"WorkerFailure: {type_name(type(error))}: {text_of(error)}")
    return serializer.dumps(RuntimeError(text))


def type_name(cls: type) -> str:
    """Qualified name; without the module for builtins, as tracebacks have it."""
    return cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"


def text_of(error: BaseException) -> str:
    """`str(error)`, or what is wrong with that."""
    try:
        return str(error)
    except BaseException as failure:  # user code
        return f"<its text cannot be had: {type_name(type(failure))}>"


def traceback_of(error: BaseException) -> str:
    """The traceback as text, beginning at the user's first frame."""
    try:
        return "".join(traceback.format_exception(type(error), error, _user_part(error.__traceback__)))
    except BaseException as failure:  # formatting calls user code
        return f"<the traceback cannot be had: {type_name(type(failure))}>"


def shorten(text: str) -> str:
    """`text`, without its middle if it is very long."""
    cut = len(text) - TEXT_LIMIT
    if cut <= 0:
        return text
    return f"{text[: TEXT_LIMIT // 2]}\n[… {cut} characters cut]\n{text[-TEXT_LIMIT // 2 :]}"


def _user_part(frames: TracebackType | None) -> TracebackType | None:
    while frames and frames.tb_frame.f_globals.get("__name__", "").startswith(OUR_PACKAGES):
        frames = frames.tb_next
    return frames
