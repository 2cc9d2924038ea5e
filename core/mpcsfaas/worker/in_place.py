"""Runs attempts where it is called, in this process and thread: for strategies whose workers are not ours."""

import threading
import time
from collections.abc import Sequence

from mpcsfaas.interfaces import Assignment, Serializer
from mpcsfaas.model import AttemptResult
from mpcsfaas.worker.limits import Limits
from mpcsfaas.worker.messages import Done, Run, Setup
from mpcsfaas.worker.output import OutputFile
from mpcsfaas.worker.runner import Runner
from mpcsfaas.worker.serializers import LazySerializers, import_paths

MAX_RESULT = 64 * 1024 * 1024


class InPlaceRunner:
    """Calls functions and tells what became of it, as our own workers do. Any number of threads may use one.

    Nothing is isolated: a function sees this process, what it prints is not caught, and it cannot be killed.
    """

    def __init__(self, serializers: Sequence[Serializer], worker: str = "", max_result: int = MAX_RESULT) -> None:
        """`serializers` are those of the strategy's context; `max_result` is the largest result, in bytes."""
        self._setup = Setup(worker, import_paths(serializers), (), Limits(), max_result, 0)
        self._mine = threading.local()

    def run(self, assignment: Assignment) -> AttemptResult:
        """Run one attempt to its end, however long it takes. Never raises: whatever goes wrong is in the result."""
        task, number, function = assignment.attempt.task, assignment.attempt.number, assignment.function
        done = self._runner().run(
            Run(
                task.id,
                number,
                function.id,
                task.payload,
                task.serializer,
                time.time(),
                function,
                parents=assignment.parents,
            )
        )
        assert isinstance(done, Done)  # The function came along.
        return done.result

    def _runner(self) -> Runner:
        """This thread's own, with the functions that it has loaded."""
        if not hasattr(self._mine, "runner"):
            serializers = LazySerializers(self._setup.serializers)
            self._mine.runner = Runner(self._setup, serializers, _Uncaught(), _Uncaught())
        runner: Runner = self._mine.runner
        return runner


class _Uncaught(OutputFile):
    """Output that goes where this process's does."""

    def __init__(self) -> None:
        super().__init__(-1, 0)

    def take(self) -> str:
        """Nothing."""
        return ""
