import random

from hypothesis import given, settings
from hypothesis import strategies as st

from mpcsfaas.client.backoff import LONGEST_DELAY, Backoff


@settings(deadline=None, max_examples=50)
@given(st.floats(0, 100), st.integers(), st.none() | st.floats(0, 1000))
def test_ends_just_when_patience_does(patience: float, seed: int, wished: float | None) -> None:
    backoff = Backoff(patience, random.Random(seed))
    now = start = 1000.0
    for _ in range(10_000):
        delay = backoff.next_delay(now, wished)
        if delay is None:
            break
        assert 0 <= delay <= (LONGEST_DELAY if wished is None else wished)
        now += delay + 0.01
    else:
        raise AssertionError("never gave up")
    assert start + patience <= now <= start + patience + 0.02


def test_does_what_the_gateway_asks_for() -> None:
    assert Backoff(60).next_delay(0.0, 7.0) == 7.0


def test_starts_anew_after_a_success() -> None:
    backoff = Backoff(10)
    assert backoff.next_delay(0.0) is not None
    backoff.reset()
    assert backoff.next_delay(100.0) is not None
