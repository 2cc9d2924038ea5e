"""The contract and the machine fail for detectors that break one promise each, and pass for what these are made of."""

from collections.abc import Callable
from typing import Any, ClassVar

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from mpcsfaas.interfaces import FailureDetector
from mpcsfaas.testing.detector_contract import PAUSES, DetectorContract, DetectorMachine
from mpcsfaas_heartbeat.heartbeat import HeartbeatDetector, HeartbeatOptions
from mpcsfaas_heartbeat.phi_accrual import PhiAccrualDetector, PhiAccrualOptions
from mpcsfaas_heartbeat.watched_time import WatchedTime

QUICK = settings(max_examples=300, stateful_step_count=30, deadline=None, derandomize=True, phases=[Phase.generate])


class Heartbeat(HeartbeatDetector):
    patience: ClassVar[float] = 5.0
    limit: ClassVar[float] = 5.0

    def __init__(self) -> None:
        super().__init__(HeartbeatOptions())


class PhiAccrual(PhiAccrualDetector):
    limit: ClassVar[float] = 8.0

    def __init__(self) -> None:
        super().__init__(PhiAccrualOptions(limit=8.0, acceptable_pause=1.0))


class Hasty(Heartbeat):
    def __init__(self) -> None:
        super().__init__()
        self._limit = 4.5


class Slow(Heartbeat):
    def __init__(self) -> None:
        super().__init__()
        self._limit = 6.5


class Blind(Heartbeat):
    def suspects(self, now: float) -> list[str]:
        return []


class Grudging(Heartbeat):
    """A beat does not clear suspicion."""

    def beat(self, worker_id: str, now: float) -> None:
        if worker_id not in self.suspects(now):
            super().beat(worker_id, now)


class Deaf(Heartbeat):
    """Hears only the first beat."""

    def beat(self, worker_id: str, now: float) -> None:
        if worker_id not in self._heard:
            super().beat(worker_id, now)


class Unforgetting(Heartbeat):
    def forget(self, worker_id: str) -> None:
        pass


class Remembering(Heartbeat):
    """Takes up an old silence where a forgotten worker left it."""

    def __init__(self) -> None:
        super().__init__()
        self.old: dict[str, float] = {}

    def forget(self, worker_id: str) -> None:
        if worker_id in self._heard:
            self.old[worker_id] = self._heard[worker_id]
        super().forget(worker_id)

    def beat(self, worker_id: str, now: float) -> None:
        super().beat(worker_id, now)
        self._heard[worker_id] = self.old.pop(worker_id, self._heard[worker_id])
        self._heard = dict(sorted(self._heard.items(), key=lambda item: item[1]))


class RefusingTheUnknown(Heartbeat):
    def forget(self, worker_id: str) -> None:
        del self._heard[worker_id]


class PunishingPauses(Heartbeat):
    """Takes its own pause for everyone's silence."""

    def __init__(self) -> None:
        super().__init__()
        self._time = WatchedTime(1e9, 1e9)


class PunishingAfterABeat(Heartbeat):
    """Notices a pause only when it is asked."""

    def beat(self, worker_id: str, now: float) -> None:
        pause, self._time._pause = self._time._pause, 1e9
        step, self._time._longest_step = self._time._longest_step, 1e9
        super().beat(worker_id, now)
        self._time._pause, self._time._longest_step = pause, step


class ForgivingForEver(Heartbeat):
    """Forgets at a pause whom it knew."""

    def suspects(self, now: float) -> list[str]:
        suspects = super().suspects(now)
        return [worker for worker in suspects if self._heard[worker] > self._time.resumed]


class Impatient(Heartbeat):
    """Gives everyone half a beat's time after a pause."""

    def suspects(self, now: float) -> list[str]:
        self._time.advance(now)
        after = self._time.reading - self._time.resumed
        return [name for name, heard in self._heard.items() if self._time.reading - heard > 5 and after > 0.4]


class Turning(Heartbeat):
    """Changes its order."""

    turned = False

    def suspects(self, now: float) -> list[str]:
        self.turned = not self.turned
        return super().suspects(now)[:: -1 if self.turned else 1]


class Repeating(Heartbeat):
    def suspects(self, now: float) -> list[str]:
        return super().suspects(now) * 2


class Sharing(Heartbeat):
    """Keeps what it knows in its class."""

    common: ClassVar[dict[str, float]] = {}

    def __init__(self) -> None:
        super().__init__()
        self._heard = self.common


class DividingByTheStep(Heartbeat):
    latest = -1.0

    def suspects(self, now: float) -> list[str]:
        rate, self.latest = 1 / (now - self.latest), now
        return super().suspects(now) if rate > 0 else []


class TooFrequent(Heartbeat):
    interval = 6.0


class Unlimited(PhiAccrual):
    """Learns to bear any silence."""

    def _limit(self, mean: float, deviation: float) -> float:
        return mean + 2 + 5 * max(0.1, deviation)


class Overlearning(PhiAccrual):
    """Takes quick signs of life for the rhythm to expect."""

    def beat(self, worker_id: str, now: float) -> None:
        heard = self._rhythms[worker_id].heard if worker_id in self._rhythms else None
        super().beat(worker_id, now)
        if heard is not None and self._time.reading - heard < 0.5:
            self._rhythms[worker_id].limit /= 2


class Undecided(PhiAccrual):
    """Judges a silence by what it said of it last."""

    def suspects(self, now: float) -> list[str]:
        suspects = super().suspects(now)
        for worker in suspects:
            self._rhythms[worker].limit += 1.0
        return suspects


Test = Callable[[Any], None]
CONTRACT = DetectorContract


def after_a_pause(contract: DetectorContract) -> None:
    for pause in PAUSES:
        for first_says in (True, False):
            contract.test_a_pause_of_the_caller_evicts_nobody_before_another_beat(pause, first_says)


def silent_after_a_pause(contract: DetectorContract) -> None:
    for pause in PAUSES:
        contract.test_who_is_silent_after_a_pause_is_suspected_all_the_same(pause)


BROKEN: list[tuple[type[Any], Test]] = [
    (Hasty, CONTRACT.test_suspects_the_silent_after_its_patience_and_within_its_limit),
    (Hasty, CONTRACT.test_suspects_nobody_whose_silences_are_within_its_patience),
    (Slow, CONTRACT.test_suspects_the_silent_after_its_patience_and_within_its_limit),
    (Blind, CONTRACT.test_the_limit_holds_for_a_worker_that_ever_again_beats_at_the_last_moment),
    (Grudging, CONTRACT.test_a_beat_clears_suspicion),
    (Deaf, CONTRACT.test_suspects_nobody_that_beats_in_time),
    (Unforgetting, CONTRACT.test_forgetting_forgets),
    (Remembering, CONTRACT.test_who_comes_back_starts_afresh),
    (RefusingTheUnknown, CONTRACT.test_forgetting_the_unknown_does_nothing),
    (PunishingPauses, after_a_pause),
    (PunishingAfterABeat, after_a_pause),
    (ForgivingForEver, silent_after_a_pause),
    (Impatient, after_a_pause),
    (Turning, CONTRACT.test_the_order_is_stable),
    (Repeating, CONTRACT.test_the_order_is_stable),
    (Sharing, CONTRACT.test_detectors_share_nothing),
    (DividingByTheStep, CONTRACT.test_a_clock_that_stands_still_does_no_harm),
    (TooFrequent, CONTRACT.test_says_what_it_is_and_how_often_workers_are_to_beat),
    (Unlimited, CONTRACT.test_the_limit_holds_for_a_worker_that_ever_again_beats_at_the_last_moment),
    (Overlearning, CONTRACT.test_quick_signs_of_life_do_not_wear_its_patience),
    (Undecided, CONTRACT.test_suspects_the_silent_after_its_patience_and_within_its_limit),
]
UNSEEN_BY_THE_MACHINE = {Sharing, TooFrequent}
"""It drives one detector at a time, and takes the interval as given."""


def contract_for(cls: type[Any]) -> DetectorContract:
    class Contract(DetectorContract):
        patience, limit = cls().patience, cls().limit

        def make(self) -> FailureDetector:
            detector: FailureDetector = cls()
            return detector

    return Contract()


def machine_for(cls: type[Any]) -> type[DetectorMachine]:
    class Machine(DetectorMachine):
        patience, limit = cls().patience, cls().limit

        def make(self) -> FailureDetector:
            detector: FailureDetector = cls()
            return detector

    return Machine


@pytest.mark.parametrize(("broken", "test"), BROKEN)
def test_the_contract_catches_the_broken_and_passes_the_whole(broken: type[Any], test: Test) -> None:
    with pytest.raises((Exception, pytest.fail.Exception)):
        test(contract_for(broken))
    test(contract_for(broken.__mro__[1]))


@pytest.mark.parametrize("broken", sorted({cls for cls, _ in BROKEN} - UNSEEN_BY_THE_MACHINE, key=str))
def test_the_machine_catches_the_broken(broken: type[Any]) -> None:
    with pytest.raises((AssertionError, ArithmeticError, KeyError, ExceptionGroup)):
        run_state_machine_as_test(machine_for(broken), settings=QUICK)


@pytest.mark.parametrize("whole", [Heartbeat, PhiAccrual])
def test_the_machine_passes_the_whole(whole: type[Any]) -> None:
    run_state_machine_as_test(machine_for(whole), settings=settings(QUICK, max_examples=20))
