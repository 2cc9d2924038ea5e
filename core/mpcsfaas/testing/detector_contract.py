"""The failure detector contract as tests and as a Hypothesis state machine, for any detector.

    class TestMyDetector(DetectorContract):
        patience, limit = 4.0, 6.0

        def make(self):
            return MyDetector(MyOptions())

    class MyMachine(DetectorMachine):
        patience, limit = 4.0, 6.0

        def make(self):
            return MyDetector(MyOptions())

    TestMyMachine = MyMachine.TestCase

`patience` and `limit` are what the detector promises, in seconds, to a caller that asks at least once an interval: no
silence up to `patience` is suspect, any over `limit` is. They are the same for a detector with a fixed timeout.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection
from copy import deepcopy
from math import ceil
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from mpcsfaas.interfaces import FailureDetector

START = 1_000.0
MARGIN = 1e-6
"""How far the tests keep from the promised seconds themselves, where rounding decides."""
WORKERS = ("ann", "bob", "cid", "dan")
PAUSES = (1.01, 3.0, 50.0)
"""How long a caller is stopped, as a multiple of the limit."""


class Caller:
    """An attentive caller: it asks four times an interval, and passes beats on."""

    def __init__(self, detector: FailureDetector) -> None:
        self.detector = detector
        self.now = START

    def beat(self, *workers: str) -> None:
        """Pass on a beat of each."""
        for worker in workers:
            self.detector.beat(worker, self.now)

    def suspects(self) -> list[str]:
        """Ask."""
        return self.detector.suspects(self.now)

    def watch(self, seconds: float, beating: Collection[str] = ()) -> list[str]:
        """Let time pass; who was suspected at any moment of it. `beating` beat at once, and then every interval."""
        began, step = self.now, self.detector.interval / 4
        seen: dict[str, None] = {}
        self.beat(*beating)
        for count in range(1, ceil(seconds / step) + 1):
            self.now = began + min(count * step, seconds)
            if count % 4 == 0:
                self.beat(*beating)
            seen.update(dict.fromkeys(self.suspects()))
        return list(seen)


class DetectorContract(ABC):
    """What every detector keeps. Subclass it, say what is promised, and implement `make`."""

    patience: ClassVar[float]
    limit: ClassVar[float]

    @abstractmethod
    def make(self) -> FailureDetector:
        """A detector that has heard of nobody."""

    def caller(self, *workers: str) -> Caller:
        """A caller of a new detector that has just heard of these workers."""
        caller = Caller(self.make())
        caller.beat(*workers)
        return caller

    def test_says_what_it_is_and_how_often_workers_are_to_beat(self) -> None:
        detector = self.make()
        assert detector.name.isidentifier()
        assert isinstance(detector.options, detector.Options)
        assert 0 < detector.interval < self.patience <= self.limit

    def test_suspects_nobody_that_it_has_not_heard_of(self) -> None:
        caller = self.caller()
        assert caller.suspects() == []
        assert caller.watch(3 * self.limit) == []

    def test_suspects_nobody_that_beats_in_time(self) -> None:
        caller = self.caller("ann", "bob")
        assert caller.watch(20 * self.limit, beating=("ann", "bob")) == []

    @settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.differing_executors])
    @given(st.lists(st.just(1.0) | st.floats(0, 1), max_size=60))
    def test_suspects_nobody_whose_silences_are_within_its_patience(self, shares: list[float]) -> None:
        caller = self.caller("ann")
        for share in shares:
            assert caller.watch(share * (self.patience - MARGIN)) == []
            caller.beat("ann")
            assert caller.suspects() == []

    def test_quick_signs_of_life_do_not_wear_its_patience(self) -> None:
        """As of a worker that sends many results, or whose beats were held up, and then only beats."""
        caller = self.caller("ann")
        for _ in range(200):
            caller.watch(caller.detector.interval / 100)
            caller.beat("ann")
        assert caller.watch(self.patience - MARGIN) == []

    def test_suspects_the_silent_after_its_patience_and_within_its_limit(self) -> None:
        caller = self.caller("ann", "bob")
        assert caller.watch(self.patience - MARGIN, beating=("bob",)) == []
        caller.watch(self.limit - self.patience + caller.detector.interval, beating=("bob",))
        assert caller.suspects() == ["ann"]
        assert caller.watch(10 * self.limit, beating=("bob",)) == ["ann"]

    def test_the_limit_holds_for_a_worker_that_ever_again_beats_at_the_last_moment(self) -> None:
        """Whatever a detector learns from it."""
        caller = self.caller("ann")
        for _ in range(40):
            caller.watch(self._silence_borne(deepcopy(caller)))
            assert caller.suspects() == []
            caller.beat("ann")

    def _silence_borne(self, caller: Caller) -> float:
        """Seconds that the caller can watch before it is told of a suspect."""
        step = caller.detector.interval / 4
        began = caller.now
        while not caller.watch(step):
            assert caller.now - began <= self.limit + MARGIN, "the limit passed, and nobody is suspected"
        return caller.now - began - step

    def test_a_beat_clears_suspicion(self) -> None:
        caller = self.caller("ann", "bob")
        caller.watch(2 * self.limit)
        assert sorted(caller.suspects()) == ["ann", "bob"]
        caller.beat("ann")
        assert caller.suspects() == ["bob"]
        assert caller.watch(self.patience - MARGIN) == ["bob"]

    def test_forgetting_forgets(self) -> None:
        caller = self.caller("ann", "bob", "cid")
        caller.detector.forget("ann")
        caller.watch(2 * self.limit)
        caller.detector.forget("bob")
        assert caller.suspects() == ["cid"]
        assert caller.watch(2 * self.limit) == ["cid"]

    def test_forgetting_the_unknown_does_nothing(self) -> None:
        caller = self.caller("ann")
        for _ in range(2):
            caller.detector.forget("bob")
        assert caller.suspects() == []

    def test_who_comes_back_starts_afresh(self) -> None:
        caller = self.caller("ann")
        caller.watch(2 * self.limit)
        caller.detector.forget("ann")
        caller.beat("ann")
        assert caller.watch(self.patience - MARGIN) == []

    @pytest.mark.parametrize("pause", PAUSES)
    @pytest.mark.parametrize("first_says", [True, False])
    def test_a_pause_of_the_caller_evicts_nobody_before_another_beat(self, pause: float, first_says: bool) -> None:
        """Whether it then first asks, or first passes on a beat."""
        caller = self.caller(*WORKERS)
        caller.watch(self.patience - MARGIN)
        caller.now += pause * self.limit
        if first_says:
            caller.beat("ann")
        assert caller.suspects() == []
        assert caller.watch(caller.detector.interval) == []
        caller.beat(*WORKERS[:2])
        caller.watch(self.patience - MARGIN - caller.detector.interval, beating=WORKERS[:2])
        assert not set(WORKERS[:2]) & set(caller.suspects())

    @pytest.mark.parametrize("pause", PAUSES)
    def test_who_is_silent_after_a_pause_is_suspected_all_the_same(self, pause: float) -> None:
        caller = self.caller("ann", "bob")
        caller.now += pause * self.limit
        caller.watch(self.limit + caller.detector.interval, beating=("bob",))
        assert caller.suspects() == ["ann"]

    def test_a_clock_that_stands_still_does_no_harm(self) -> None:
        caller = self.caller(*WORKERS)
        for _ in range(1000):
            caller.beat("ann")
            assert caller.suspects() == []
        assert caller.watch(self.patience - MARGIN) == []

    def test_the_order_is_stable(self) -> None:
        caller = self.caller(*WORKERS)
        caller.watch(2 * self.limit, beating=WORKERS[::2])
        caller.watch(2 * self.limit)
        order = caller.suspects()
        assert sorted(order) == sorted(WORKERS)
        assert all(caller.suspects() == order for _ in range(10))
        caller.beat("bob")
        assert caller.suspects() == [worker for worker in order if worker != "bob"]

    def test_detectors_share_nothing(self) -> None:
        one, other = self.caller("ann"), self.caller("bob")
        one.watch(2 * self.limit)
        other.watch(2 * self.limit)
        assert (one.suspects(), other.suspects()) == (["ann"], ["bob"])


class DetectorMachine(RuleBasedStateMachine):
    """Drives a detector through any history, and checks its promises after every step."""

    patience: ClassVar[float]
    limit: ClassVar[float]

    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.resumed = START
        self.heard: dict[str, float] = {}
        self.suspected: list[str] = []

    @abstractmethod
    def make(self) -> FailureDetector:
        """A detector that has heard of nobody."""

    @initialize()
    def begin(self) -> None:
        """A new detector, asked once."""
        self.detector = self.make()
        assert self.detector.suspects(self.now) == []

    @rule(worker=st.sampled_from(WORKERS))
    def beat(self, worker: str) -> None:
        """A worker lives."""
        self.detector.beat(worker, self.now)
        self.heard[worker] = self.now
        self._clear(worker)

    @rule(worker=st.sampled_from(WORKERS))
    def forget(self, worker: str) -> None:
        """A worker is gone, or never was."""
        self.detector.forget(worker)
        self.heard.pop(worker, None)
        self._clear(worker)

    @rule(share=st.floats(0, 1))
    def pass_time(self, share: float) -> None:
        """Less than an interval, or nothing at all."""
        self.now += share * self.detector.interval

    @rule(share=st.floats(0, 1.5), beating=st.sets(st.sampled_from(WORKERS)))
    def watch(self, share: float, beating: set[str]) -> None:
        """Some time, attentively, with regular beats of some."""
        for _ in range(int(share * self.limit / self.detector.interval) + 1):
            for worker in sorted(beating):
                self.beat(worker)
            self.now += self.detector.interval
            self.ask()

    @precondition(lambda self: self.heard)
    @rule(data=st.data(), excess=st.floats(MARGIN, 1))
    def come_late(self, data: st.DataObject, excess: float) -> None:
        """A worker beats just before its silence is longer than must be borne."""
        worker = data.draw(st.sampled_from(sorted(self.heard)))
        self.beat(worker)
        until = self.now + self.patience - excess * self.detector.interval
        while self.now < until:
            self.now = min(until, self.now + self.detector.interval)
            self.ask()
        self.beat(worker)

    @rule(multiple=st.sampled_from(PAUSES), first=st.none() | st.sampled_from(WORKERS))
    def pause(self, multiple: float, first: str | None) -> None:
        """The caller is stopped; a worker may be the first to be heard then."""
        self.now += multiple * self.limit
        self.resumed = self.now
        self.suspected = []
        if first:
            self.beat(first)

    @invariant()
    def ask(self) -> None:
        """Ask, and check the answer."""
        suspects = self.detector.suspects(self.now)
        assert suspects == self.detector.suspects(self.now), "asked twice, it says two things"
        assert len(set(suspects)) == len(suspects), "it names a worker twice"
        assert set(suspects) <= set(self.heard), "it suspects a worker that it should not know"
        assert [worker for worker in suspects if worker in self.suspected] == self.suspected, (
            "a suspicion ended without a beat, or the order changed"
        )
        for worker, heard in self.heard.items():
            assert (worker in suspects) in self._allowed(heard), (
                f"{worker}, silent for {self.now - heard} s: {suspects}"
            )
        self.suspected = suspects

    def _allowed(self, heard: float) -> Collection[bool]:
        """Whether a worker may be suspected; it is the detector's to choose between patience and limit."""
        if self.now - heard <= self.patience - MARGIN or self.now - self.resumed <= self.detector.interval - MARGIN:
            return (False,)
        if self.now - max(heard, self.resumed) > self.limit + MARGIN:
            return (True,)
        return (False, True)

    def _clear(self, worker: str) -> None:
        self.suspected = [suspect for suspect in self.suspected if suspect != worker]
