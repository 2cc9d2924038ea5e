"""A platform as a backend of joblib, and so of whatever computes with joblib, such as scikit-learn."""

from collections.abc import Callable
from operator import call
from typing import Any
from weakref import finalize

from mpcsfaas.client.client import Client
from mpcsfaas.client.embedded import connect
from mpcsfaas.client.errors import AccessDenied
from mpcsfaas.client.executor import Executor
from mpcsfaas.client.futures import TaskFuture

try:
    from joblib import register_parallel_backend
    from joblib.parallel import AutoBatchingMixin, ParallelBackendBase
except ImportError as error:
    raise ImportError("It needs joblib; install it with: pip install 'mpcsfaas[joblib]'") from error

NAME = "mpcsfaas"


def register(client: Client | str | None = None) -> None:
    """Have `joblib.parallel_config("mpcsfaas")` and `Parallel(backend="mpcsfaas")` compute on a platform.

    `client` may be a gateway's URL; None means what `connect()` finds or starts.
    """
    register_parallel_backend(NAME, lambda **settings: MpcsfaasBackend(**{"client": client, **settings}))


class MpcsfaasBackend(AutoBatchingMixin, ParallelBackendBase):  # type: ignore[misc]  # joblib is not typed
    """Runs each batch of calls as a task. Parallel calls inside of tasks are done by threads of their worker.

    Options of the tasks are those of the client. Workers need joblib.
    """

    supports_retrieve_callback = True
    default_n_jobs = -1

    def __init__(self, client: Client | str | None = None, **settings: Any) -> None:
        """`client` as in `register`, `settings` those of joblib's backends."""
        super().__init__(**settings)
        self._given = client
        self._client: Client | None = None
        self._executor: Executor | None = None

    def effective_n_jobs(self, n_jobs: int | None) -> int:
        """How many batches run at once: `n_jobs`; or for -1, as many as the platform has slots.

        It is 1, which means a loop in this process, only when that is asked for.
        """
        if n_jobs == 0:
            raise ValueError("n_jobs == 0 in Parallel has no meaning")
        if n_jobs is not None and n_jobs > 0:
            return n_jobs
        return max(2, self._slots() + 1 + (n_jobs or self.default_n_jobs))

    def submit(self, func: Callable[[], Any], callback: Callable[[Any], Any] | None = None) -> TaskFuture[Any]:
        """Run a batch."""
        if self._executor is None:
            self._executor = Executor(self._connected())
        future = self._executor.submit(call, func)
        if callback is not None:
            future.add_done_callback(callback)
        return future

    def retrieve_result_callback(self, out: TaskFuture[Any]) -> Any:
        """A batch's results. Raises the first exception of its calls."""
        return out.result()

    def terminate(self) -> None:
        """Joblib's call is over."""
        self._end(cancel=False)
        self.reset_batch_stats()

    def abort_everything(self, ensure_ready: bool = True) -> None:
        """Stop what runs, for a call has raised an exception or its results are wanted no longer."""
        self._end(cancel=True)

    def _end(self, cancel: bool) -> None:
        executor, self._executor = self._executor, None
        if executor is not None:
            executor.shutdown(wait=False, cancel_futures=cancel)

    def _connected(self) -> Client:
        if isinstance(self._given, Client):
            return self._given
        if self._client is None:
            self._client = Client(self._given) if self._given else connect()
            finalize(self, self._client.close)
        return self._client

    def _slots(self) -> int:
        try:
            dispatchers = self._connected().workers()
        except AccessDenied as error:
            error.add_note("Only such a key is told how many slots there are. Say how many to use: n_jobs=N.")
            raise
        return sum(worker.slots for dispatcher in dispatchers for worker in dispatcher.workers)
