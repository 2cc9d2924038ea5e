"""What the tasks that ended since the last scrape tell: how long they waited and ran, and why attempts failed."""

import re

from prometheus_client import CollectorRegistry, Counter, Histogram

from mpcsfaas.interfaces import Storage
from mpcsfaas.model import AttemptRecord, FailureKind, TaskRecord

CHUNK = 1000
CHUNKS = 20
"""Of tasks that one scrape reads at most; the next goes on from there."""
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200)
SIGNAL = re.compile(r"killed by (SIG[A-Z0-9]+)")
EXIT = re.compile(r"exited with code (\d+)")


class EndedTasks:
    """Counts each task once, in the order in which they ended, from the first scrape on."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._after: int | None = None
        self._ended = Counter("mpcsfaas_tasks_ended", "Tasks that have ended, by state.", ["state"], registry=registry)
        self._attempts = Counter(
            "mpcsfaas_attempts", "Attempts of ended tasks, by what became of them.", ["outcome"], registry=registry
        )
        self._crashes = Counter("mpcsfaas_crashes", "Attempts that crashed, by cause.", ["cause"], registry=registry)
        self._queued = Histogram(
            "mpcsfaas_queued_seconds",
            "From a task's acceptance to the claim of its first attempt.",
            registry=registry,
            buckets=BUCKETS,
        )
        self._running = Histogram(
            "mpcsfaas_running_seconds", "How long attempts ran.", registry=registry, buckets=BUCKETS
        )

    async def follow(self, storage: Storage) -> None:
        """Read what has ended since the last time. Raises `StorageUnavailable`."""
        if self._after is None:
            self._after = await storage.latest_completion()
        for _ in range(CHUNKS):
            completions = await storage.completions(self._after, CHUNK)
            if not completions:
                return
            records = await storage.get_tasks([completion.task_id for completion in completions])
            self._after = completions[-1].sequence
            for completion in completions:
                self._ended.labels(completion.state).inc()
            for record in filter(None, records):
                self._count(record)

    def _count(self, record: TaskRecord) -> None:
        if record.history:
            self._queued.observe(max(0.0, record.history[0].claimed_at - record.created_at))
        for attempt in record.history:
            self._attempts.labels(attempt.failure.kind if attempt.failure else "completed").inc()
            if attempt.started_at and attempt.finished_at:
                self._running.observe(max(0.0, attempt.finished_at - attempt.started_at))
            if attempt.failure and attempt.failure.kind is FailureKind.CRASHED:
                self._crashes.labels(cause_of(attempt)).inc()


def cause_of(attempt: AttemptRecord) -> str:
    """The signal or exit code that a crash tells of, `limit` for any other: few enough for a label."""
    message = attempt.failure.message if attempt.failure else ""
    if signal := SIGNAL.search(message):
        return signal[1]
    code = EXIT.search(message)
    return f"exit {code[1]}" if code else "limit"
