"""What a finished task means here: a value, or an exception to raise."""

from typing import Any, NamedTuple

from mpcsfaas.client import errors
from mpcsfaas.client.payloads import Payloads
from mpcsfaas.client.records import RemoteFailure, ResultItem
from mpcsfaas.model import FailureKind, State


class Outcome(NamedTuple):
    """Either `error` is None and `value` is the function's, or `error` is to be raised."""

    value: Any = None
    error: BaseException | None = None

    def unwrap(self) -> Any:
        """The value. Raises the error."""
        if self.error is not None:
            raise self.error
        return self.value


class RemoteTraceback(Exception):
    """The cause of an exception that a function raised: what the worker's interpreter would have printed."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text

    def __str__(self) -> str:
        return f'\n"""\n{self.text.rstrip()}\n"""'


class _Kind(NamedTuple):
    error: type[errors.TaskFailed]
    next_step: str


_KINDS: dict[str, _Kind] = {
    FailureKind.EXCEPTION: _Kind(errors.RemoteError, "See its remote traceback."),
    FailureKind.TIMEOUT: _Kind(errors.TaskTimeout, "Raise `timeout` or `deadline`, or make the task smaller."),
    FailureKind.WORKER_LOST: _Kind(
        errors.WorkerLost, "See `mpcsfaas workers`, and raise `max_redeliveries` if need be."
    ),
    FailureKind.CRASHED: _Kind(errors.TaskCrashed, "See what it printed: client.logs(task)."),
    FailureKind.INVALID_PAYLOAD: _Kind(
        errors.InvalidPayload, "Make sure that the worker can import what the function and its arguments need."
    ),
    FailureKind.INVALID_RESULT: _Kind(errors.InvalidResult, "Return plain data, or objects that can be pickled."),
    FailureKind.RESULT_TOO_LARGE: _Kind(
        errors.ResultTooLarge, "Return less, or write it to a file and return its name."
    ),
    FailureKind.INCOMPATIBLE: _Kind(errors.Incompatible, "Use the same Python and serializer on both sides."),
    FailureKind.PARENT_FAILED: _Kind(errors.ParentFailed, "Submit both again once that is mended."),
}
_MISSING_MODULE = (
    "The worker has no module {name}. If it is your own, import it at the top of the function's module"
    " rather than inside the function: then it travels along."
)
_UNTRUSTED = (
    "Task {item.id} completed, but its value was written by {item.serializer!r}, and reading that can run code; this"
    " client reads plain data only (trust='json'). Submit the task by this client, or, if you trust everyone who could"
    " have written the value, read it by a client without trust='json'."
)
_NO_DATA = _Kind(
    errors.InvalidResult,
    "Return plain data (numbers, text, lists, dicts): nothing else can be read without running code (trust='json').",
)
_UNKNOWN = _Kind(errors.TaskFailed, "See the task's record: client.task(task).")


def outcome_of(item: ResultItem, payloads: Payloads) -> Outcome:
    """Deserialise a finished task's value or exception. Never raises: what goes wrong here is the outcome's error."""
    if item.state is State.COMPLETED:
        return _completed(item, payloads)
    if item.state is State.CANCELLED:
        return Outcome(
            error=errors.TaskCancelled(f"Task {item.id} was cancelled. Submit it again if it is wanted.", item.id)
        )
    return Outcome(error=_failed(item, payloads))


def _completed(item: ResultItem, payloads: Payloads) -> Outcome:
    if not payloads.may_load(item.serializer):
        return Outcome(error=errors.ResultUnreadable(_UNTRUSTED.format(item=item)))
    try:
        return Outcome(payloads.loads(item.serializer, item.value or b""))
    except Exception as cause:
        error = errors.ResultUnreadable(
            f"Task {item.id} completed, but its value cannot be deserialised here: {_text(cause)}."
            " Make sure that this process can import what the function returns."
        )
        error.__cause__ = cause
        return Outcome(error=error)


def _failed(item: ResultItem, payloads: Payloads) -> BaseException:
    failure = item.failure or RemoteFailure("unknown", "no reason was given")
    if failure.kind != FailureKind.EXCEPTION or not item.value:
        return _platform_error(item, failure, data_only=payloads.data_only)
    try:
        error = payloads.loads(item.serializer, item.value)
    except Exception as cause:
        return _platform_error(item, failure, f"The exception itself cannot be rebuilt here: {_text(cause)}.")
    if not isinstance(error, BaseException) or _name(type(error)) != (failure.type or _name(type(error))):
        return _platform_error(item, failure)  # a stand-in: the exception would not come back as itself
    if isinstance(error, ModuleNotFoundError):
        error.add_note(_MISSING_MODULE.format(name=error.name))
    _attach(error, failure)
    return error


def _platform_error(
    item: ResultItem, failure: RemoteFailure, note: str = "", data_only: bool = False
) -> errors.TaskFailed:
    kind = _KINDS.get(failure.kind, _UNKNOWN)
    if data_only and failure.kind == FailureKind.INVALID_RESULT:
        kind = _NO_DATA
    text = failure.message
    if failure.type and not text.startswith(failure.type):
        text = f"{failure.type}: {text}"
    error = kind.error(
        f"Task {item.id} failed ({failure.kind}): {text.rstrip('.')}. {kind.next_step}", item.id, failure.traceback
    )
    if note:
        error.add_note(note)
    _attach(error, failure)
    return error


def _attach(error: BaseException, failure: RemoteFailure) -> None:
    """Not by plain assignment, which exceptions that are frozen dataclasses refuse."""
    if failure.traceback:
        BaseException.__setattr__(error, "__cause__", RemoteTraceback(failure.traceback))


def _name(cls: type) -> str:
    """As `RemoteFailure.type` has it."""
    return cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"


def _text(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".rstrip(". ")
