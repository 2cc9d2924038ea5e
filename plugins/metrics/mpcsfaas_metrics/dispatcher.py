"""What a dispatcher tells Prometheus at a port of its own."""

from prometheus_client import CollectorRegistry, Counter, Gauge, start_http_server
from pydantic import Field

from mpcsfaas.errors import MpcsfaasError
from mpcsfaas.interfaces import PluginOptions
from mpcsfaas.model import DispatcherInfo, State


class MetricsOptions(PluginOptions):
    """Where a dispatcher can be asked."""

    port: int | None = Field(
        default=None, ge=1, le=65535, description="Port at which a dispatcher answers to Prometheus; none by default."
    )
    host: str = Field(default="127.0.0.1", description="Address of that port. Whoever reaches it can read it.")


class DispatcherFigures:
    """What the dispatchers of this process have done, as observers are told of it."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._changes = Counter(
            "mpcsfaas_dispatcher_changes",
            "Changes of tasks by this dispatcher: RUNNING is an attempt handed out, QUEUED one that is tried again.",
            ["state"],
            registry=self.registry,
        )
        self._workers = Gauge("mpcsfaas_dispatcher_workers", "Workers of this dispatcher.", registry=self.registry)
        self._slots = Gauge("mpcsfaas_dispatcher_slots", "Slots of its workers.", registry=self.registry)
        self._gone = Counter(
            "mpcsfaas_dispatcher_workers_gone", "Workers that were evicted, ended or lost.", registry=self.registry
        )
        self._known: frozenset[str] = frozenset()

    def tasks_changed(self, count: int, state: State) -> None:
        """So many tasks reached a state."""
        self._changes.labels(state).inc(count)

    def workers_changed(self, info: DispatcherInfo) -> None:
        """These workers are there now."""
        present = frozenset(worker.id for worker in info.workers)
        self._gone.inc(len(self._known - present))
        self._workers.set(len(present))
        self._slots.set(sum(worker.slots for worker in info.workers))
        self._known = present

    def serve(self, options: MetricsOptions) -> None:
        """Answer from now on, in a thread that ends with the process. Raises `MpcsfaasError` for a port in use."""
        if options.port is None:
            return
        try:
            start_http_server(options.port, options.host, self.registry)
        except OSError as error:
            raise MpcsfaasError(
                f"Metrics cannot be served on {options.host}:{options.port}: {error.strerror}. Choose another port."
            ) from error
