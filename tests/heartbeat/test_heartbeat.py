"""The fixed timeout: the seconds that it promises, pauses of the observer that are shorter than those, and options."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from mpcsfaas.errors import SettingsError
from mpcsfaas.plugins import Kind, load
from mpcsfaas.settings import Configuration, Document, Environment, Flags
from mpcsfaas.testing.detector_contract import Caller
from mpcsfaas_heartbeat.heartbeat import HeartbeatDetector, HeartbeatOptions


def caller(interval: float = 1.0, limit: float = 5.0) -> Caller:
    return Caller(HeartbeatDetector(HeartbeatOptions(interval=interval, limit=limit)))


def test_a_worker_is_suspected_after_five_seconds_and_not_at_five() -> None:
    watcher = caller()
    watcher.beat("ann")
    for _ in range(5):
        watcher.now += 1.0
        assert watcher.suspects() == []
    watcher.now += 0.001
    assert watcher.suspects() == ["ann"]


def test_beats_are_asked_for_once_a_second_by_default() -> None:
    assert HeartbeatDetector(HeartbeatOptions()).interval == 1.0
    assert HeartbeatDetector(HeartbeatOptions(interval=0.2)).interval == 0.2


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_the_longest_silent_come_first(steps: list[float]) -> None:
    watcher = caller()
    for number, step in enumerate(steps):
        watcher.now += step
        watcher.beat(f"worker-{number}")
    watcher.watch(6.0)

    assert watcher.suspects() == [f"worker-{number}" for number in range(len(steps))]


@given(st.floats(1.0, 5.0), st.floats(0, 3.9))
def test_of_a_short_pause_of_the_caller_only_an_interval_counts(pause: float, silence: float) -> None:
    """A dispatcher that was held up for less than the limit evicts nobody either whose beats it has not read yet."""
    watcher = caller()
    watcher.watch(1.0)
    watcher.beat("ann")
    watcher.watch(silence)
    watcher.now += pause
    assert watcher.suspects() == []
    watcher.beat("ann")
    assert watcher.watch(4.9) == []


def test_a_caller_that_asks_only_now_and_then_still_finds_the_silent() -> None:
    watcher = caller()
    watcher.beat("ann")
    seen = []
    for _ in range(6):
        watcher.now += 4.0
        seen += watcher.suspects()
    assert seen == ["ann"]


def test_a_clock_that_falls_back_does_no_harm() -> None:
    watcher = caller()
    watcher.beat("ann")
    watcher.watch(3.0)
    watcher.now -= 2.0
    assert watcher.suspects() == []
    watcher.beat("bob")
    watcher.now += 2.0
    assert watcher.watch(1.9) == []
    assert watcher.watch(0.2) == ["ann"]


@pytest.mark.parametrize("name", ["heartbeat", "phi_accrual"])
def test_a_limit_that_leaves_no_time_for_a_beat_is_refused_with_both_named(name: str) -> None:
    plugin = load(name)
    assert plugin.kind is Kind.DETECTOR
    variables = {f"MPCSFAAS_{name.upper()}_INTERVAL": "2", f"MPCSFAAS_{name.upper()}_LIMIT": "2"}
    configuration = Configuration(Flags(), Environment(variables, (name,)), Document())

    with pytest.raises(SettingsError, match=r"limit \(2 s\) must be over interval \(2 s\)") as raised:
        configuration.options(name, plugin.options)
    assert all(variable in str(raised.value) for variable in variables)


@pytest.mark.parametrize("options", [{"interval": 0}, {"interval": -1}, {"limit": 0}, {"interval": 4000}, {"wait": 1}])
def test_options_out_of_range_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        HeartbeatOptions(**options)
