"""What a check of `mpcsfaas doctor` finds."""

from typing import Literal, NamedTuple


class Finding(NamedTuple):
    """One line of the diagnosis; `fix` says what to do, and is empty if there is nothing to do."""

    status: Literal["ok", "warn", "fail"]
    subject: str
    detail: str
    fix: str = ""


def ok(subject: str, detail: str) -> Finding:
    """All is well."""
    return Finding("ok", subject, detail)


def warn(subject: str, detail: str, fix: str) -> Finding:
    """It works, but may not for long, or not for everything."""
    return Finding("warn", subject, detail, fix)


def fail(subject: str, detail: str, fix: str) -> Finding:
    """It does not work."""
    return Finding("fail", subject, detail, fix)
