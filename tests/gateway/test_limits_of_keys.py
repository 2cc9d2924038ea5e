"""Token buckets: no more than the rate allows, however it is used."""

from hypothesis import given
from hypothesis import strategies as st

from mpcsfaas.gateway.auth.keys import create_key
from mpcsfaas.gateway.auth.limits import BURST, Allowance, Bucket

RATE = st.floats(0.1, 1000.0)
PAUSES = st.lists(st.floats(0.0, 5.0), max_size=50)


@given(RATE, PAUSES)
def test_over_any_time_no_more_is_granted_than_the_rate_and_one_burst(rate: float, pauses: list[float]) -> None:
    _, key = create_key(now=0.0, requests_per_second=rate)
    allowance, now, granted = Allowance(key, 0.0), 0.0, 0
    for pause in pauses:
        now += pause
        for _ in range(5):
            granted += not allowance.request(now)
    assert granted <= rate * now + max(rate * BURST, 1.0) + 1


@given(RATE, st.floats(1.0, 1e6))
def test_who_waits_as_long_as_told_is_let_in(rate: float, amount: float) -> None:
    bucket = Bucket(rate, 0.0)
    bucket.take(amount, 0.0)
    assert bucket.delay(bucket.delay(0.0) * 1.000001) <= 1e-6 * amount


def test_without_limits_there_are_none() -> None:
    _, key = create_key(now=0.0)
    allowance = Allowance(key, 0.0)
    allowance.received(10**12, 0.0)
    assert not any(allowance.request(0.0) for _ in range(1000))
