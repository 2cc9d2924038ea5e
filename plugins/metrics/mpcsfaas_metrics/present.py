"""How the platform stands at the moment of a scrape."""

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge

from mpcsfaas.interfaces import Storage
from mpcsfaas.interfaces.storage import Statistics
from mpcsfaas.model import DispatcherInfo, State


class Present:
    """Gauges of what there is, and counters of what went since the last look."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._tasks = Gauge("mpcsfaas_tasks", "Tasks that are kept, by state.", ["state"], registry=registry)
        self._oldest = Gauge(
            "mpcsfaas_oldest_queued_seconds",
            "How long the oldest task in the queue has been there; 0 if it is empty.",
            registry=registry,
        )
        self._functions = Gauge("mpcsfaas_functions", "Registered functions.", registry=registry)
        labels = ["dispatcher", "strategy"]
        self._dispatchers = Gauge("mpcsfaas_dispatchers", "Dispatchers that are alive.", registry=registry)
        self._workers = Gauge("mpcsfaas_workers", "Workers of a dispatcher.", labels, registry=registry)
        self._slots = Gauge("mpcsfaas_slots", "Slots of a dispatcher's workers.", labels, registry=registry)
        self._busy = Gauge("mpcsfaas_slots_busy", "Slots that run something.", labels, registry=registry)
        self._fenced = Gauge(
            "mpcsfaas_fenced_results",
            "Late and repeated results that a dispatcher has rejected since its start.",
            labels,
            registry=registry,
        )
        self._malformed = Gauge(
            "mpcsfaas_bad_frames",
            "Frames from workers that were no messages, and that a dispatcher has dropped since its start.",
            labels,
            registry=registry,
        )
        self._refused = Gauge(
            "mpcsfaas_refused_connections",
            "Attempts to connect without a known key that a dispatcher has refused since its start.",
            labels,
            registry=registry,
        )
        self._gone = Counter(
            "mpcsfaas_workers_gone", "Workers that were there at one scrape, and not at the next.", registry=registry
        )
        self._known: frozenset[str] = frozenset()

    async def look(self, storage: Storage) -> None:
        """Read what the storage tells. Raises `StorageUnavailable`."""
        self._count(await storage.statistics(), storage.clock())
        self._list(await storage.dispatchers())

    def _count(self, statistics: Statistics, now: float) -> None:
        for state in State:
            self._tasks.labels(state).set(getattr(statistics, state.lower()))
        since = statistics.oldest_queued_at
        self._oldest.set(0.0 if since is None else max(0.0, now - since))
        self._functions.set(statistics.functions)

    def _list(self, dispatchers: Sequence[DispatcherInfo]) -> None:
        for gauge in (self._workers, self._slots, self._busy, self._fenced, self._malformed, self._refused):
            gauge.clear()
        self._dispatchers.set(len(dispatchers))
        for info in dispatchers:
            labels = (info.id, info.strategy)
            self._workers.labels(*labels).set(len(info.workers))
            self._slots.labels(*labels).set(sum(worker.slots for worker in info.workers))
            self._busy.labels(*labels).set(sum(worker.busy for worker in info.workers))
            self._fenced.labels(*labels).set(info.fenced)
            self._malformed.labels(*labels).set(info.malformed)
            self._refused.labels(*labels).set(info.refused)
        present = frozenset(worker.id for info in dispatchers for worker in info.workers)
        self._gone.inc(len(self._known - present))
        self._known = present
