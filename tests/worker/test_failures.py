"""What becomes of exceptions, and of what cannot be loaded or serialised."""

import sys
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import dill
import pytest

from mpcsfaas.model import AttemptResult, Failure, FailureKind

if TYPE_CHECKING:
    from tests.worker.conftest import PoolDriver

OTHER_PYTHON = "2.7"


def failure_of(result: AttemptResult, kind: FailureKind) -> Failure:
    assert result.failure is not None
    assert result.failure.kind is kind, result.failure
    return result.failure


def by_value(cls: type[Exception]) -> type[Exception]:
    """Let a class travel by value, since the child cannot import the tests."""
    for each in (cls, *vars(cls).values()):
        if getattr(each, "__module__", None) == __name__:
            each.__module__ = "__main__"
    return cls


def raise_value_error(text: str) -> None:
    raise ValueError(text)


@by_value
class Custom(Exception):
    def __init__(self, one: str, two: str) -> None:
        super().__init__(one, two)


def raise_custom() -> None:
    raise Custom("one", "two")


@by_value
class BrokenInit(Exception):
    def __init__(self, one: str, two: str) -> None:
        super().__init__(f"{one} and {two}")


def raise_broken_init() -> None:
    raise BrokenInit("one", "two")


@by_value
class Unpicklable(Exception):
    pass


def raise_unpicklable() -> None:
    error = Unpicklable("holds a frame")
    error.frame = sys._getframe()  # type: ignore[attr-defined]
    raise error


@by_value
class BrokenText(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


def raise_broken_text() -> None:
    raise BrokenText


@by_value
class ExitsOnReduce(Exception):
    def __reduce__(self) -> Any:
        raise SystemExit(3)


def raise_exits_on_reduce() -> None:
    raise ExitsOnReduce("x")


def raise_huge() -> None:
    raise ValueError("x" * 10_000_000)


def test_an_exception_comes_back_as_itself_with_its_traceback(pool: "PoolDriver") -> None:
    result = pool.call(raise_value_error, "wrong")
    failure = failure_of(result, FailureKind.EXCEPTION)
    assert (failure.type, failure.message) == ("ValueError", "wrong")
    first_frame = failure.traceback.splitlines()[1]
    assert "in raise_value_error" in first_frame
    error = dill.loads(result.value)
    assert type(error) is ValueError
    assert error.args == ("wrong",)


def test_a_class_of_the_users_own_comes_back_as_itself(pool: "PoolDriver") -> None:
    result = pool.call(raise_custom)
    assert failure_of(result, FailureKind.EXCEPTION).type == "__main__.Custom"
    assert dill.loads(result.value).args == ("one", "two")


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (raise_broken_init, "__main__.BrokenInit: one and two"),
        (raise_unpicklable, "__main__.Unpicklable: holds a frame"),
        (raise_broken_text, "__main__.BrokenText: <"),
        (raise_exits_on_reduce, "__main__.ExitsOnReduce: x"),
    ],
)
def test_an_exception_that_cannot_travel_becomes_text(
    pool: "PoolDriver", function: Callable[[], None], text: str
) -> None:
    result = pool.call(function, serializer="cloudpickle")
    failure = failure_of(result, FailureKind.EXCEPTION)
    assert function.__name__ in failure.traceback
    error = dill.loads(result.value)
    if isinstance(error, RuntimeError):
        assert str(error).startswith(f"WorkerFailure: {text}")
    else:
        assert type(error).__name__ == "BrokenText"
    assert pool.works()


def test_a_huge_text_is_cut(pool: "PoolDriver") -> None:
    failure = failure_of(pool.call(raise_huge), FailureKind.EXCEPTION)
    assert len(failure.message) + len(failure.traceback) < 200_000
    assert "characters cut" in failure.message


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, GeneratorExit])
def test_what_ends_programs_only_fails_the_task(pool: "PoolDriver", error: type[BaseException]) -> None:
    def leave() -> None:
        raise error(3)

    failure = failure_of(pool.call(leave), FailureKind.EXCEPTION)
    assert failure.type == error.__name__
    assert pool.works()


def test_data_serializers_carry_no_exception(pool: "PoolDriver") -> None:
    result = pool.call(raise_value_error, "wrong", serializer="json")
    assert failure_of(result, FailureKind.EXCEPTION).message == "wrong"
    assert result.value == b""


def test_a_call_with_the_wrong_arguments_is_an_exception(pool: "PoolDriver") -> None:
    failure = failure_of(pool.call(raise_value_error, 1, 2, 3), FailureKind.EXCEPTION)
    assert failure.type == "TypeError"
    assert "takes 1 positional argument" in failure.message


@pytest.mark.parametrize("payload", [b"", b"\x80\x05garbage", b"\x80\x05K\x01.", b"\x80\x05cnot_there\nname\n."])
def test_arguments_that_do_not_load_are_refused(pool: "PoolDriver", payload: bytes) -> None:
    result = pool.call(raise_value_error, payload=payload)
    assert "arguments cannot be loaded" in failure_of(result, FailureKind.INVALID_PAYLOAD).message
    assert pool.works()


@pytest.mark.parametrize("payload", [b"", b"\x80\x05garbage", b"\x80\x05K\x01."])
def test_a_function_that_does_not_load_is_refused(pool: "PoolDriver", payload: bytes) -> None:
    result = pool.call(pool.function(payload))
    assert "'bytes'" in failure_of(result, FailureKind.INVALID_PAYLOAD).message
    again = pool.call(pool.function(payload))
    assert again.failure == result.failure


def test_a_payload_that_exits_is_refused(pool: "PoolDriver") -> None:
    result = pool.call(pool.function(b"\x80\x05cbuiltins\nexit\n)R."))
    failure_of(result, FailureKind.INVALID_PAYLOAD)
    assert pool.works()


def test_a_missing_module_is_named_with_a_remedy(pool: "PoolDriver") -> None:
    failure = failure_of(pool.call(pool.function(b"\x80\x05cnot_there\nname\n.")), FailureKind.INVALID_PAYLOAD)
    assert "'not_there'" in failure.message
    assert "--path" in failure.message
    assert failure.type == "ModuleNotFoundError"


@pytest.mark.parametrize("fields", [{"python_version": OTHER_PYTHON}, {"serializer_version": OTHER_PYTHON}])
def test_a_function_of_another_version_that_does_not_load_is_incompatible(
    pool: "PoolDriver", fields: dict[str, str]
) -> None:
    failure = failure_of(pool.call(pool.function(b"\x80\x05garbage", **fields)), FailureKind.INCOMPATIBLE)
    assert OTHER_PYTHON in failure.message
    ours = sys.version.split(".")[1] if "python_version" in fields else dill.__version__
    assert ours in failure.message


def test_a_function_of_another_version_that_loads_runs(pool: "PoolDriver") -> None:
    assert pool.value(pool.function(abs, python_version=OTHER_PYTHON, serializer_version="0"), -1) == 1


def test_an_unknown_serializer_is_incompatible(pool: "PoolDriver") -> None:
    function = pool.function(abs)
    result = pool.call(function, payload=b"", serializer="marshal")
    message = failure_of(result, FailureKind.INCOMPATIBLE).message
    assert "marshal" in message
    assert "dill" in message


def return_a_generator() -> Iterator[int]:
    return (number for number in range(3))


def return_a_lock() -> Any:
    return threading.Lock()


@pytest.mark.parametrize(
    ("function", "serializer", "name"),
    [
        (return_a_generator, "dill", "generator"),
        (return_a_lock, "cloudpickle", "lock"),
        (return_a_lock, "msgpack", "lock"),
        (lambda: {1: object()}, "json", "dict"),
    ],
)
def test_a_result_that_cannot_be_serialised_is_named(
    pool: "PoolDriver", function: Callable[[], Any], serializer: str, name: str
) -> None:
    result = pool.call(function, serializer=serializer)
    assert name in failure_of(result, FailureKind.INVALID_RESULT).message
    assert result.value == b""
    assert pool.works()


def test_a_result_over_the_limit_is_refused_with_both_sizes(start_pool: Callable[..., "PoolDriver"]) -> None:
    pool = start_pool(max_result=100_000)

    def zeros(size: int) -> bytes:
        return bytes(size)

    assert pool.value(zeros, 99_000) == bytes(99_000)
    message = failure_of(pool.call(zeros, 100_000), FailureKind.RESULT_TOO_LARGE).message
    assert "100000" in message
    assert "1000" in message.replace("100000", "", 1)
    assert pool.works()
