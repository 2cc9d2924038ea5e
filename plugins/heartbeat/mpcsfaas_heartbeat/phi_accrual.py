"""`phi_accrual`: a worker is suspected once its silence is improbable, judged by how it beat so far.

N. Hayashibara, X. Défago, R. Yared, T. Katayama, "The φ Accrual Failure Detector", SRDS 2004. There, the suspicion of a
silence t is φ(t) = -log10(1 - F(t)), with F the normal distribution of the latest silences. φ passes a threshold when t
passes a quantile of F, so each worker has a limit of its own, which is worked out anew at each beat.
"""

from statistics import NormalDist
from typing import ClassVar

from pydantic import Field, model_validator

from mpcsfaas.hookspecs import hookimpl
from mpcsfaas.interfaces import FailureDetector, PluginOptions
from mpcsfaas_heartbeat.rhythm import Rhythm
from mpcsfaas_heartbeat.watched_time import WatchedTime

MPCSFAAS_API_VERSION = 1


class PhiAccrualOptions(PluginOptions):
    """What is taken for improbable, and how it is learned. All but `threshold` and `window` in seconds."""

    interval: float = Field(default=1.0, gt=0, le=3600, description="Seconds between the beats of a worker.")
    threshold: float = Field(
        default=8.0,
        gt=0.31,
        le=300,
        description="Suspicion at which a worker is suspected dead; 8: once in 10**8 beats.",
    )
    window: int = Field(
        default=100, ge=2, le=10_000, description="How many of a worker's latest silences are judged by."
    )
    min_deviation: float = Field(
        default=0.1,
        gt=0,
        le=3600,
        description="Least standard deviation of silences, however regular they were, in seconds.",
    )
    acceptable_pause: float = Field(
        default=3.0, ge=0, le=3600, description="Seconds of silence that are always forgiven, over what was learned."
    )
    first_estimate: float | None = Field(
        default=None, gt=0, le=3600, description="Seconds between beats to expect of a new worker; none: the interval."
    )
    limit: float = Field(
        default=30.0, gt=0, le=86_400, description="Seconds of silence after which a worker is suspected in any case."
    )

    @model_validator(mode="after")
    def _check_limit(self) -> "PhiAccrualOptions":
        if self.limit <= self.interval:
            raise ValueError(f"limit ({self.limit:g} s) must be over interval ({self.interval:g} s)")
        return self


class PhiAccrualDetector(FailureDetector):
    """Suspects a worker once φ of its silence is over the threshold, if it is asked at least once an interval.

    Never within `patience` seconds, always after the option `limit`. Signs of life in quick succession (results
    between beats, beats that were held up) teach nothing, nor do silences that were suspect or that nobody watched.
    """

    name: ClassVar[str] = "phi_accrual"
    Options: ClassVar[type[PluginOptions]] = PhiAccrualOptions

    def __init__(self, options: PhiAccrualOptions) -> None:
        super().__init__(options)
        self._options = options
        self._quantile = -NormalDist().inv_cdf(10**-options.threshold)
        self.patience = self._limit(options.interval, options.min_deviation)
        """The shortest silence, in seconds, that can be suspect."""
        self._time = WatchedTime(options.interval, self.patience)
        self._rhythms: dict[str, Rhythm] = {}

    @property
    def interval(self) -> float:
        """As the option says."""
        return self._options.interval

    def beat(self, worker_id: str, now: float) -> None:
        """Learn from the silence that ends, unless it teaches nothing."""
        reading = self._time.advance(now)
        rhythm = self._rhythms.get(worker_id)
        if rhythm is None:
            estimate = self._options.first_estimate or self._options.interval
            rhythm = self._rhythms[worker_id] = Rhythm(estimate, self._options.window)
        elif rhythm.heard >= self._time.resumed and self.interval / 2 <= reading - rhythm.heard <= rhythm.limit:
            rhythm.learn(reading - rhythm.heard)
        rhythm.heard = reading
        rhythm.limit = self._limit(rhythm.mean, rhythm.deviation)

    def forget(self, worker_id: str) -> None:
        """Forget what was learned, too."""
        self._rhythms.pop(worker_id, None)

    def suspects(self, now: float) -> list[str]:
        """In the order of their first beats."""
        self._time.advance(now)
        return [name for name, rhythm in self._rhythms.items() if self._time.silence(rhythm.heard) > rhythm.limit]

    def _limit(self, mean: float, deviation: float) -> float:
        """The silence at which φ passes the threshold. Workers were asked for no shorter mean than the interval."""
        spread = self._quantile * max(deviation, self._options.min_deviation)
        return min(self._options.limit, max(mean, self.interval) + self._options.acceptable_pause + spread)


@hookimpl
def mpcsfaas_failure_detectors() -> list[type[FailureDetector]]:
    """One detector, `phi_accrual`."""
    return [PhiAccrualDetector]
