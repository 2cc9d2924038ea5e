"""Who knocks in vain, and often: it is delayed, logged once, and remembered in bounded memory."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from mpcsfaas.curve.refusals import AT_ONCE, PERIOD_SECONDS, Refusals

MOST = 3
KNOCKS = st.lists(st.tuples(st.sampled_from("abcde"), st.floats(0, 40)), max_size=60)


@given(KNOCKS)
def test_lines_and_memory_are_bounded_and_the_first_refusals_come_at_once(knocks: list[tuple[str, float]]) -> None:
    refusals, now = Refusals(MOST), 0.0
    told: dict[str, float] = {}
    at_once: Counter[str] = Counter()
    for address, pause in knocks:
        now += pause
        is_remembered_for = now - told.get(address, -PERIOD_SECONDS)
        if is_remembered_for >= PERIOD_SECONDS:
            at_once[address] = 0
        waits = refusals.must_wait(address, now)
        is_news = refusals.refused(address, now)
        if is_news:
            assert is_remembered_for >= PERIOD_SECONDS
            assert not waits
            told[address] = now
        elif is_remembered_for >= PERIOD_SECONDS:
            assert waits  # There was no room to remember it.
        at_once[address] += not waits
        assert at_once[address] <= AT_ONCE
        assert waits or is_news or at_once[address] > 1
        assert len(refusals) <= MOST


def test_an_address_is_delayed_after_its_tenth_refusal_and_no_other_is_and_after_a_minute_neither() -> None:
    refusals = Refusals()
    for _ in range(AT_ONCE):
        assert not refusals.must_wait("a", 0.0)
        refusals.refused("a", 0.0)
    assert refusals.must_wait("a", 0.0)
    assert not refusals.must_wait("b", 0.0)
    assert refusals.must_wait("a", PERIOD_SECONDS - 1)
    assert not refusals.must_wait("a", PERIOD_SECONDS)
