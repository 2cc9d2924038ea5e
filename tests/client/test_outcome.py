"""What a finished task means to the caller."""

import pickle
import traceback
from concurrent.futures import CancelledError
from typing import Any

import cloudpickle
import pytest

from mpcsfaas import errors as platform_errors
from mpcsfaas.client import errors
from mpcsfaas.client.outcome import outcome_of
from mpcsfaas.client.payloads import Payloads
from mpcsfaas.client.records import RemoteFailure, ResultItem
from mpcsfaas.model import FailureKind, State

PAYLOADS = Payloads("cloudpickle")
TRACEBACK = 'Traceback (most recent call last):\n  File "far.py", line 7, in away\nValueError: no\n'


def failed(kind: str, value: Any = None, type_: str = "", message: str = "it broke") -> BaseException:
    data = None if value is None else cloudpickle.dumps(value)
    failure = RemoteFailure(kind, message, type_, TRACEBACK)
    outcome = outcome_of(ResultItem("task-1", State.FAILED, "cloudpickle", data, failure), PAYLOADS)
    assert outcome.error is not None
    return outcome.error


def test_a_value() -> None:
    item = ResultItem("task-1", State.COMPLETED, "cloudpickle", pickle.dumps([1, 2]))
    assert outcome_of(item, PAYLOADS).unwrap() == [1, 2]


def test_exceptions_are_raised_as_themselves_with_the_remote_traceback() -> None:
    error = failed(FailureKind.EXCEPTION, KeyError("missing"))
    assert type(error) is KeyError
    assert error.args == ("missing",)
    printed = "".join(traceback.format_exception(error))
    assert "line 7, in away" in printed
    assert "direct cause" in printed


class StubbornError(Exception):
    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{name} cannot be set")


def test_exceptions_that_refuse_attributes_get_the_traceback_too() -> None:
    error = failed(FailureKind.EXCEPTION, StubbornError("no"))
    assert type(error) is StubbornError
    assert "line 7, in away" in str(error.__cause__)


class BrokenInitError(Exception):
    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one}{two}")


def test_an_exception_that_cannot_be_rebuilt_is_told_by_its_text() -> None:
    data = pickle.dumps(BrokenInitError(1, 2))
    failure = RemoteFailure(FailureKind.EXCEPTION, "12", "user.BrokenInitError", TRACEBACK)
    error = outcome_of(ResultItem("task-1", State.FAILED, "cloudpickle", data, failure), PAYLOADS).error
    assert type(error) is errors.RemoteError
    assert "user.BrokenInitError: 12" in str(error)
    assert "cannot be rebuilt here: TypeError" in error.__notes__[0]
    assert error.task_id == "task-1"
    assert error.remote_traceback == TRACEBACK


def test_an_exception_that_was_not_sent_is_told_by_its_text() -> None:
    assert "user.Odd: it broke" in str(failed(FailureKind.EXCEPTION, type_="user.Odd"))


def test_a_value_in_the_place_of_an_exception_is_not_raised() -> None:
    assert type(failed(FailureKind.EXCEPTION, "no exception")) is errors.RemoteError


def test_a_module_that_the_worker_lacks_is_explained() -> None:
    error = failed(FailureKind.EXCEPTION, ModuleNotFoundError("No module named 'mine'", name="mine"))
    assert type(error) is ModuleNotFoundError
    assert "The worker has no module mine" in error.__notes__[0]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (FailureKind.TIMEOUT, errors.TaskTimeout),
        (FailureKind.WORKER_LOST, errors.WorkerLost),
        (FailureKind.CRASHED, errors.TaskCrashed),
        (FailureKind.INVALID_PAYLOAD, errors.InvalidPayload),
        (FailureKind.INVALID_RESULT, errors.InvalidResult),
        (FailureKind.RESULT_TOO_LARGE, errors.ResultTooLarge),
        (FailureKind.INCOMPATIBLE, errors.Incompatible),
        ("kind of a later version", errors.TaskFailed),
    ],
)
def test_each_kind_of_failure_has_its_exception(kind: str, expected: type[Exception]) -> None:
    error = failed(kind)
    assert type(error) is expected
    assert isinstance(error, errors.TaskFailed)
    assert "task-1" in str(error)
    assert "it broke" in str(error)


def test_every_kind_is_covered() -> None:
    for kind in FailureKind:
        assert type(failed(kind)) is not errors.TaskFailed


def test_families_overlap_as_callers_expect() -> None:
    assert issubclass(errors.InvalidPayload, platform_errors.InvalidPayload)
    assert issubclass(errors.TaskCancelled, CancelledError)


def test_cancelled() -> None:
    with pytest.raises(errors.TaskCancelled, match="task-1"):
        outcome_of(ResultItem("task-1", State.CANCELLED, "cloudpickle"), PAYLOADS).unwrap()


def test_a_value_that_cannot_be_read_says_why() -> None:
    data = b"cmodule_that_is_not_here\nThing\n."
    error = outcome_of(ResultItem("task-1", State.COMPLETED, "cloudpickle", data), PAYLOADS).error
    assert type(error) is errors.ResultUnreadable
    assert "module_that_is_not_here" in str(error)
    assert isinstance(error.__cause__, ModuleNotFoundError)


def test_a_serializer_that_is_not_installed_says_so() -> None:
    error = outcome_of(ResultItem("task-1", State.COMPLETED, "unheard_of", b"x"), PAYLOADS).error
    assert type(error) is errors.ResultUnreadable
    assert "unheard_of" in str(error)
