"""Runs attempts in the child, one after the other, and answers for each."""

import os
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import cache
from types import CoroutineType
from typing import Any, NamedTuple

from mpcsfaas.interfaces.serializer import Serializer
from mpcsfaas.model import AttemptResult, Failure, FailureKind, Function, ParentResult
from mpcsfaas.references import resolved
from mpcsfaas.trace_context import told, within_attempt
from mpcsfaas.worker.exits import PYTHON_VERSION
from mpcsfaas.worker.failures import exception_value, failure_of, text_of, type_name
from mpcsfaas.worker.messages import KNOWN_FUNCTIONS, Done, NeedFunction, Run, Setup
from mpcsfaas.worker.output import OutputFile
from mpcsfaas.worker.serializers import LazySerializers


class Outcome(NamedTuple):
    """The serialised value or exception, and the failure if there was one."""

    value: bytes
    failure: Failure | None = None


class Refused(Exception):
    """An attempt that cannot be started."""

    def __init__(self, failure: Failure) -> None:
        self.failure = failure


class Runner:
    """Holds what outlives a task: loaded functions and serializers."""

    def __init__(self, setup: Setup, serializers: LazySerializers, stdout: OutputFile, stderr: OutputFile) -> None:
        self._setup = setup
        self._serializers = serializers
        self._functions: OrderedDict[str, Callable[..., Any]] = OrderedDict()
        self._stdout, self._stderr = stdout, stderr
        self._process = os.getpid()

    def run(self, run: Run) -> Done | NeedFunction:
        """Run one attempt and tell what became of it."""
        if run.function is None and run.function_id not in self._functions:
            return NeedFunction(run.task_id, run.number)
        started_at = time.time()
        outcome = self._traced_outcome(run) if run.traceparent else self._outcome(run)
        if os.getpid() != self._process:
            os._exit(0)  # the task forked, and this is the copy, which has no business here
        return Done(
            AttemptResult(
                run.task_id,
                run.number,
                outcome.value,
                outcome.failure,
                self._stdout.take(),
                self._stderr.take(),
                self._setup.worker,
                run.sent_at,
                started_at,
                time.time(),
            )
        )

    def _traced_outcome(self, run: Run) -> Outcome:
        assert run.traceparent is not None
        with told(within_attempt(run.traceparent, run.task_id, run.number)):
            return self._outcome(run)

    def _outcome(self, run: Run) -> Outcome:
        try:
            function = self._function(run)
            serializer = self._serializer(run.serializer)
            args, kwargs = _arguments(serializer, run.payload)
            if run.parents:
                args, kwargs = self._with_results(args, kwargs, run.parents)
        except Refused as refused:
            return Outcome(b"", refused.failure)
        try:
            value = _call(function, args, kwargs)
        except BaseException as error:  # SystemExit and KeyboardInterrupt are the task's, too
            failure = failure_of(error, FailureKind.EXCEPTION, self._message(error))
            return Outcome(exception_value(error, serializer, self._setup.max_result), failure)
        return self._result(serializer, value)

    def _with_results(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], parents: Sequence[ParentResult]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments with the results that they refer to, each loaded once."""
        by_id = {parent.task_id: parent for parent in parents}
        load = cache(lambda task_id: self._load_result(by_id[task_id]))
        filled = tuple(resolved(item, by_id, load) for item in args)
        return filled, {name: resolved(item, by_id, load) for name, item in kwargs.items()}

    def _load_result(self, parent: ParentResult) -> Any:
        serializer = self._serializer(parent.serializer)
        try:
            return serializer.loads(parent.value)
        except BaseException as error:  # the payload's own code runs here
            message = f"The result of its parent {parent.task_id} cannot be loaded: {_reason(error)}"
            raise Refused(failure_of(error, FailureKind.INVALID_PAYLOAD, message)) from None

    def _message(self, error: BaseException) -> str:
        """The exception's text, with the limit that it may have run into."""
        hint = self._setup.limits.hint(error)
        return hint and f"{(text_of(error) or type_name(type(error))).rstrip('.')}. {hint}"

    def _result(self, serializer: Serializer, value: Any) -> Outcome:
        try:
            data = serializer.dumps(value)
        except BaseException as error:  # the value's own code runs here
            message = f"The result, of type {type_name(type(value))}, cannot be serialised: {text_of(error)}"
            return Outcome(b"", failure_of(error, FailureKind.INVALID_RESULT, message))
        if len(data) > self._setup.max_result:
            return Outcome(
                b"",
                Failure(
                    FailureKind.RESULT_TOO_LARGE,
                    f"The result takes {len(data)} bytes, the worker's limit (max_result) is {self._setup.max_result}. "
                    "Return less, or write it to storage of your own and return its address.",
                ),
            )
        return Outcome(data)

    def _function(self, run: Run) -> Callable[..., Any]:
        function = self._functions.get(run.function_id)
        if function is not None:
            self._functions.move_to_end(run.function_id)
            return function
        assert run.function is not None
        function = self._functions[run.function_id] = self._load(run.function)
        if len(self._functions) > KNOWN_FUNCTIONS:
            self._functions.popitem(last=False)
        return function

    def _load(self, function: Function) -> Callable[..., Any]:
        serializer = self._serializer(function.serializer, function.serializer_version)
        try:
            loaded = serializer.loads(function.payload)
        except BaseException as error:  # the payload's own code runs here
            raise Refused(_function_failure(function, serializer, error)) from None
        if not callable(loaded):
            message = f"The function {function.name!r} is not callable: it is of type {type_name(type(loaded))}."
            raise Refused(Failure(FailureKind.INVALID_PAYLOAD, message))
        return loaded  # type: ignore[no-any-return]

    def _serializer(self, name: str, wanted_version: str = "") -> Serializer:
        try:
            return self._serializers.get(name)
        except Exception as error:
            wanted = f"{name} {wanted_version}".strip()
            installed = ", ".join(self._setup.serializers) or "none"
            message = f"This worker has no serializer {wanted} (it has: {installed}). Install it where the worker runs."
            raise Refused(failure_of(error, FailureKind.INCOMPATIBLE, message)) from None


def _call(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    value = function(*args, **kwargs)
    if isinstance(value, CoroutineType):
        import asyncio

        return asyncio.run(value)
    return value


def _arguments(serializer: Serializer, payload: bytes) -> tuple[tuple[Any, ...], dict[str, Any]]:
    try:
        return serializer.loads_call(payload)
    except BaseException as error:  # the payload's own code runs here
        message = f"The arguments cannot be loaded: {_reason(error)}"
        raise Refused(failure_of(error, FailureKind.INVALID_PAYLOAD, message)) from None


def _function_failure(function: Function, serializer: Serializer, error: BaseException) -> Failure:
    differences = _differences(function, serializer)
    kind = FailureKind.INCOMPATIBLE if differences else FailureKind.INVALID_PAYLOAD
    message = f"The function {function.name!r} cannot be loaded: {_reason(error)}"
    return failure_of(error, kind, " ".join([message, *differences]))


def _differences(function: Function, serializer: Serializer) -> list[str]:
    pairs = [
        ("Python", function.python_version, PYTHON_VERSION),
        (function.serializer, function.serializer_version, serializer.version()),
    ]
    return [
        f"It was written with {name} {written}, this worker has {name} {ours}."
        for name, written, ours in pairs
        if written and written != ours
    ]


def _reason(error: BaseException) -> str:
    if isinstance(error, ModuleNotFoundError):
        return (
            f"this worker has no module {error.name!r}. Install it where the worker runs, "
            "or name the folder that holds it with --path or PYTHONPATH."
        )
    return f"{type_name(type(error))}: {text_of(error)}"
