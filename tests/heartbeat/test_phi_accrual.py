"""φ as in the paper, computed here in another way; what is learned, and what is not."""

import math
import random
import statistics
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from mpcsfaas.testing.detector_contract import Caller
from mpcsfaas_heartbeat.phi_accrual import PhiAccrualDetector, PhiAccrualOptions
from mpcsfaas_heartbeat.rhythm import Rhythm


def caller(**options: Any) -> Caller:
    return Caller(PhiAccrualDetector(PhiAccrualOptions(**({"acceptable_pause": 2.0} | options))))


def phi(silence: float, mean: float, deviation: float) -> float:
    """-log10 of the probability that a normal silence is longer, from the error function."""
    return -math.log10(0.5 * math.erfc((silence - mean) / deviation / math.sqrt(2)))


def beat_after(watcher: Caller, silence: float) -> None:
    """A beat after a silence that the caller watched, in steps of a tenth of a second at most."""
    steps = math.ceil(silence / 0.1)
    for _ in range(steps):
        watcher.now += silence / steps
        watcher.suspects()
    watcher.beat("ann")


def borne(watcher: Caller) -> float:
    """Seconds until the worker is suspected, to a hundredth."""
    began = watcher.now
    while not watcher.suspects():
        watcher.now += 0.01
    return watcher.now - began


@given(st.lists(st.floats(0.6, 2.0), min_size=20, max_size=40), st.floats(1.0, 12.0), st.sampled_from([0.0, 1.5]))
def test_a_worker_is_suspected_when_phi_passes_the_threshold(
    silences: list[float], threshold: float, pause: float
) -> None:
    watcher = caller(threshold=threshold, window=20, acceptable_pause=pause, limit=100.0)
    watcher.beat("ann")
    learned = [0.75, 1.25]
    for silence in silences:
        beat_after(watcher, silence)
        mean, deviation = judged_by(learned)
        if phi(silence, mean + pause, deviation) < threshold:
            learned = [*learned, silence][-20:]
    mean, deviation = judged_by(learned)
    silence = borne(watcher)

    assert phi(silence - 0.02, mean + pause, deviation) < threshold < phi(silence + 0.02, mean + pause, deviation)


def judged_by(silences: list[float]) -> tuple[float, float]:
    return max(1.0, statistics.fmean(silences)), max(0.1, statistics.pstdev(silences))


def test_a_regular_worker_is_suspected_sooner_than_an_irregular_one() -> None:
    regular, irregular = caller(), caller()
    chance = random.Random(1)
    for watcher in (regular, irregular):
        watcher.beat("ann")
    for _ in range(100):
        beat_after(regular, chance.gauss(1.0, 0.02))
        beat_after(irregular, chance.uniform(0.5, 1.9))

    assert borne(regular) == pytest.approx(1.0 + 2.0 + 5.61 * 0.1, abs=0.05)
    assert borne(irregular) == pytest.approx(1.2 + 2.0 + 5.61 * 1.4 / math.sqrt(12), abs=0.6)


def test_the_new_worker_is_judged_by_the_first_estimate() -> None:
    watcher = caller(first_estimate=4.0, acceptable_pause=0.0)
    watcher.beat("ann")

    assert borne(watcher) == pytest.approx(4.0 + 5.61 * 1.0, abs=0.02)


def test_old_silences_slide_out_of_the_window() -> None:
    watcher = caller(window=10)
    watcher.beat("ann")
    for silence in [2.5] * 10 + [1.0] * 10:
        beat_after(watcher, silence)

    assert borne(watcher) == pytest.approx(1.0 + 2.0 + 0.561, abs=0.02)


def test_signs_of_life_between_beats_teach_nothing() -> None:
    """A worker that sends results all the time and then falls idle is not suspected for the first normal silence."""
    watcher = caller(acceptable_pause=0.0)
    watcher.beat("ann")
    for _ in range(3000):
        beat_after(watcher, 0.003)
    assert watcher.watch(1.2) == []

    assert borne(watcher) + 1.2 == pytest.approx(1.0 + 5.61 * 0.25, abs=0.1)


def test_beats_that_were_held_up_and_come_all_at_once_teach_nothing() -> None:
    watcher = caller(acceptable_pause=0.0)
    watcher.beat("ann")
    for _ in range(50):
        beat_after(watcher, 1.0)
    before = borne(watcher)
    watcher.now += 20.0
    for _ in range(20):
        watcher.beat("ann")

    assert borne(watcher) == pytest.approx(before, abs=0.02)


def test_a_silence_in_which_the_caller_paused_teaches_nothing() -> None:
    watcher = caller(window=10)
    watcher.beat("ann")
    for _ in range(10):
        beat_after(watcher, 1.0)
    for _ in range(10):
        watcher.watch(0.9)
        watcher.now += 20.0
        watcher.beat("ann")

    assert borne(watcher) == pytest.approx(1.0 + 2.0 + 0.561, abs=0.02)


def test_a_silence_that_was_suspect_teaches_nothing() -> None:
    watcher = caller()
    watcher.beat("ann")
    before = borne(watcher)
    watcher.watch(20.0)
    watcher.beat("ann")

    assert borne(watcher) == pytest.approx(before, abs=0.02)


def test_a_pause_of_the_caller_longer_than_its_patience_is_forgiven() -> None:
    watcher = caller()
    watcher.beat("ann", "bob")
    watcher.watch(2.5)
    watcher.now += 4.0
    assert watcher.watch(2.0) == []
    watcher.beat("ann")
    assert watcher.watch(3.4) == ["bob"]


@given(st.lists(st.floats(0, 100), max_size=300), st.integers(2, 20))
def test_mean_and_deviation_stay_those_of_the_window(silences: list[float], window: int) -> None:
    rhythm = Rhythm(1.0, window)
    for silence in silences:
        rhythm.learn(silence)
    kept = [0.75, 1.25, *silences][-window:]

    assert rhythm.mean == pytest.approx(statistics.fmean(kept), abs=1e-5)
    assert rhythm.deviation == pytest.approx(statistics.pstdev(kept), abs=1e-5)


@pytest.mark.parametrize(
    "options",
    [
        {"threshold": 0.3},
        {"threshold": 400},
        {"window": 1},
        {"min_deviation": 0},
        {"acceptable_pause": -1},
        {"limit": 1},
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        PhiAccrualOptions(**options)


@pytest.mark.parametrize("threshold", [0.32, 1, 8, 300])
def test_every_threshold_that_is_allowed_can_be_reached(threshold: float) -> None:
    detector = PhiAccrualDetector(PhiAccrualOptions(threshold=threshold))

    assert 4.0 < detector.patience < 10.0
